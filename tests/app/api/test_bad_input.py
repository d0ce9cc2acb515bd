"""Bad input and bad providers: each gets a status and an error that says what to do, and the process goes on."""

from typing import Any

import orjson
import pytest
from starlette.requests import ClientDisconnect

from tests.fakes.router import FakeRouter, running_router
from tests.fakes.upstream import Behaviour, answer, cut_off, hang

CHAT, COMPLETIONS = "/api/v1/chat", "/v1/chat/completions"
GOOD = {"query": "hello", "user_id": "u"}


async def check_alive(router: FakeRouter) -> None:
    assert (await router.http.post(CHAT, json=GOOD)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"query": "", "user_id": "u"}, 422, "invalid_request", "query"),
        ({"query": " \n\t ", "user_id": "u"}, 422, "invalid_request", "query"),
        ({"user_id": "u"}, 422, "invalid_request", "query"),
        ({"query": "q"}, 422, "invalid_request", "user_id"),
        ({**GOOD, "user_tier": "gold"}, 422, "invalid_request", "user_tier"),
        ({**GOOD, "model": "nope"}, 404, "model_not_found", "model"),
        ({**GOOD, "model": "keyless"}, 503, "no_model_available", None),
        ({**GOOD, "typo": 1}, 422, "invalid_request", "typo"),
        ({**GOOD, "query": "a\0b"}, 422, "invalid_request", "query"),
        ({**GOOD, "stream": "perhaps"}, 422, "invalid_request", "stream"),
        ([1, 2], 422, "invalid_request", None),
        ({**GOOD, "query": "word " * 60_000}, 400, "context_length_exceeded", "query"),
    ],
)
async def test_a_bad_field(router: FakeRouter, body: Any, status: int, code: str, param: str | None) -> None:
    response = await router.http.post(CHAT, json=body, headers={"x-request-id": "theirs"})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["message"]
    assert error["request_id"] == response.headers["x-llm-router-request-id"]
    assert response.headers["x-request-id"] == "theirs"
    await check_alive(router)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b'{"query": ', b"\xff\xfe", b'{"query": "\\ud800", "user_id": "u"}', b"[" * 100_000],
    ids=["empty", "text", "cut", "not utf-8", "lone surrogate", "deep"],
)
async def test_a_body_that_is_not_json(router: FakeRouter, path: str, body: bytes) -> None:
    response = await router.http.post(path, content=body, headers={"content-type": "application/json"})
    nothing = 400 if path == COMPLETIONS else 422
    expected = (nothing, "invalid_request") if body == b"" else (400, "invalid_json")
    assert (response.status_code, response.json()["error"]["code"]) == expected
    await check_alive(router)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": "a\0b"}], "NUL"),
        ([{"type": "text", "text": None}], "part 0 is of type text and has no text"),
        ([{"type": "text"}], "part 0 is of type text and has no text"),
    ],
)
async def test_bad_parts_of_a_message(router: FakeRouter, content: Any, expected: str) -> None:
    response = await router.http.post(COMPLETIONS, json={"messages": [{"role": "user", "content": content}]})
    assert response.status_code == 400
    assert expected in response.json()["error"]["message"]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_a_body_of_20_mb(router: FakeRouter, path: str) -> None:
    content = orjson.dumps({**GOOD, "query": "x" * 20_000_000})
    response = await router.http.post(path, content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    await check_alive(router)


async def test_a_large_body_that_does_not_tell_its_length(router: FakeRouter) -> None:
    async def parts() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    response = await router.http.post(CHAT, content=parts())
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


async def test_100_000_characters_on_one_line(router: FakeRouter) -> None:
    response = await router.http.post(CHAT, json={**GOOD, "query": "a" * 100_000})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    await check_alive(router)


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (answer({"error": {"message": "Incorrect API key: sk-medium-0123456789"}}, 401), 502, "upstream_unauthorized"),
        (answer({"error": {"message": "slow down"}}, 429, {"retry-after": "30"}), 429, "upstream_rate_limited"),
        (answer({"error": {"message": "slow down"}}, 429), 429, "upstream_rate_limited"),
        (answer({"error": {"message": "oops"}}, 500), 502, "upstream_unreachable"),
        (answer(b"<html>nonsense"), 502, "upstream_invalid_answer"),
        (answer(b""), 502, "upstream_invalid_answer"),
        (cut_off(), 502, "upstream_unreachable"),
    ],
    ids=["401", "429", "429 without a time", "500", "nonsense", "nothing", "reset"],
)
async def test_a_bad_provider(router: FakeRouter, behaviour: Behaviour, status: int, code: str) -> None:
    router.upstream.behaviours.append(behaviour)
    response = await router.http.post(CHAT, json={**GOOD, "model": "medium"})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert "sk-medium-0123456789" not in response.text
    assert ("retry-after" in response.headers) == (status == 429)
    await check_alive(router)


async def test_a_provider_that_hangs_is_given_up(tokenizer: Any) -> None:
    async with running_router(tokenizer, timeout_s=0.2) as router:
        router.upstream.behaviours.append(hang())
        response = await router.http.post(CHAT, json={**GOOD, "model": "medium"})
        assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")
        await router.upstream.left.wait()


async def test_no_model_at_all(router: FakeRouter) -> None:
    router.service.router.unavailable = lambda: dict.fromkeys(router.service.router.catalogue.models, "loading")
    response = await router.http.post(CHAT, json=GOOD)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_model_available")
    assert int(response.headers["retry-after"]) > 0
    assert "small: loading" in response.json()["error"]["message"]
    assert (await router.http.get("/api/v1/health")).json()["status"] == "degraded"


async def test_v1_speaks_openais_error_shape(router: FakeRouter) -> None:
    error = (await router.http.post(COMPLETIONS, json={"messages": []})).json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == "messages"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("tokens", [0, 2**31, 10**40], ids=["none", "too many", "far too many"])
async def test_a_count_of_tokens_without_sense(router: FakeRouter, name: str, tokens: int) -> None:
    response = await router.http.post(COMPLETIONS, json={"messages": [{"role": "user", "content": "q"}], name: tokens})
    assert (response.status_code, response.json()["error"]["param"]) == (400, name)


async def test_tools_too_deep_to_be_written_again(router: FakeRouter) -> None:
    tools = b'[{"a":' * 150 + b"1" + b"}]" * 150
    body = b'{"messages": [{"role": "user", "content": "hello"}], "tools": ' + tools + b"}"
    response = await router.http.post(COMPLETIONS, content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "tools")


async def test_a_client_that_leaves_while_it_sends(router: FakeRouter, caplog: pytest.LogCaptureFixture) -> None:
    async def parts() -> Any:
        yield b"{"
        raise ClientDisconnect

    response = await router.http.post(CHAT, content=parts())
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nope", 404), ("POST", f"{CHAT}/", 404), ("GET", CHAT, 405)]
)
async def test_a_wrong_address(router: FakeRouter, method: str, path: str, status: int) -> None:
    response = await router.http.request(method, path)
    assert response.status_code == status
    assert ("allow" in response.headers) == (status == 405)
    assert "/openapi.json" in response.json()["error"]["message"]


async def test_an_unexpected_error_tells_nothing_of_the_inside(
    router: FakeRouter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(router.service.router, "_read", broken)
    response = await router.http.post(CHAT, json=GOOD)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert f"request {response.json()['error']['request_id']}: unexpected RuntimeError" in caplog.text
    assert response.json()["error"]["request_id"] == response.headers["x-request-id"]


async def test_what_was_no_query_is_counted(router: FakeRouter) -> None:
    await router.http.post("/api/v1/chat", json={"user_id": "u"})
    await router.http.post("/api/v1/chat", content=b"{", headers={"content-type": "application/json"})
    await router.http.post("/v1/chat/completions", json={"messages": [], "model": "auto"})
    await router.http.post("/api/v1/feedback", json={"rating": 9})
    text = (await router.http.get("/api/v1/metrics")).text
    assert 'llm_router_errors_total{error_type="invalid_request",model="none"} 3.0' in text
    assert 'llm_router_requests_total{endpoint="/api/v1/chat",model="none"} 2.0' in text
