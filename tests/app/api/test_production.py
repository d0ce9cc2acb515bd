"""APP_ENV=production: every path but health wants a key, some an admin's; headers and hosts are looked at."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from app.api.guard import Guard
from app.api.safety import MAX_HEADER_BYTES, MAX_HEADERS
from app.errors import StorageUnavailable
from tests.app.api.test_keys import bearer, make_key
from tests.fakes.router import FakeRouter, running_router

HEALTH = "/api/v1/health"
ADMIN = ["/api/v1/metrics", "/api/v1/policy", "/api/v1/stats", "/openapi.json"]
GUARD = Guard(keys_required=True, trusted_hosts=("router", "*.example.com"), tls_in_front=True)


@pytest.fixture
async def router(tokenizer: Path) -> AsyncIterator[FakeRouter]:
    async with running_router(tokenizer, guard=GUARD) as fake:
        yield fake


async def test_every_path_of_the_document_but_health_wants_a_key(router: FakeRouter) -> None:
    admin = bearer(await make_key(router.store, admin=True))
    document = (await router.http.get("/openapi.json", headers=admin)).json()
    asked = [(method, path) for path, methods in document["paths"].items() for method in methods]
    asked += [("get", path) for path in ("/docs", "/redoc", "/openapi.json", "/nope", "//api/v1/stats", f"{HEALTH}/")]
    for method, path in asked:
        if path != HEALTH:
            response = await router.http.request(method, path)
            assert response.status_code == 401, (method, path)
            assert "401" in document["paths"].get(path, {}).get(method, {"responses": {"401": {}}})["responses"], path
    assert len(asked) > 15
    assert document["security"] == [{"bearer": []}, {"x-api-key": []}]


@pytest.mark.parametrize("path", ADMIN)
async def test_what_shows_all_tenants_wants_an_admins_key(router: FakeRouter, path: str) -> None:
    usual, admin = bearer(await make_key(router.store)), bearer(await make_key(router.store, admin=True))
    refused = await router.http.get(path, headers=usual)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert "app.keys create --admin" in refused.json()["error"]["message"]
    assert (await router.http.get(path, headers=admin)).status_code == 200


async def test_docs_are_off(router: FakeRouter) -> None:
    admin = bearer(await make_key(router.store, admin=True))
    assert [(await router.http.get(path, headers=admin)).status_code for path in ("/docs", "/redoc")] == [404, 404]


async def test_health_tells_strangers_no_more_than_the_status(router: FakeRouter) -> None:
    stranger = (await router.http.get(HEALTH)).json()
    assert (stranger.pop("status"), len(stranger.pop("timestamp"))) == ("ok", 29)
    assert stranger == {"version": None, "services": {}}
    known = (await router.http.get(HEALTH, headers=bearer(await make_key(router.store)))).json()
    assert known["services"]["models"]["known"] == 4
    assert (await router.http.get(HEALTH, headers=bearer("lr-wrong"))).status_code == 401


async def test_a_database_that_is_down(router: FakeRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    known, unknown = [bearer(await make_key(router.store)) for _ in range(2)]
    assert (await router.http.get("/v1/models", headers=known)).status_code == 200

    async def down(_: str) -> None:
        raise StorageUnavailable("database postgresql://u:***@host/db: it is down")

    monkeypatch.setattr(router.store.keys, "find", down)
    assert (await router.http.get("/v1/models", headers=known)).status_code == 200
    refused = await router.http.get("/v1/models", headers=unknown)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage_unavailable")
    assert refused.headers["retry-after"]
    assert "host" not in refused.text
    assert (await router.http.get(HEALTH, headers=unknown)).json()["services"] == {}


@pytest.mark.parametrize(
    ("host", "status"), [("router", 200), ("a.example.com:8000", 200), ("evil.com", 400), ("example.com.evil", 400)]
)
async def test_hosts(router: FakeRouter, host: str, status: int) -> None:
    response = await router.http.get(HEALTH, headers={"host": host})
    assert response.status_code == status
    assert status == 200 or response.json()["error"]["code"] == "untrusted_host"


async def test_a_websocket_is_closed_whatever_its_host(router: FakeRouter) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/api/v1/chat", "headers": [(b"host", b"evil.com")]}
    await router.app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    "headers",
    [{f"x-{i}": "1" for i in range(MAX_HEADERS)}, {"x-long": "a" * MAX_HEADER_BYTES}, bearer("a" * MAX_HEADER_BYTES)],
)
async def test_headers_without_end(router: FakeRouter, headers: dict[str, str]) -> None:
    response = await router.http.get("/v1/models", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (431, "headers_too_large")


async def test_the_body_is_not_read_before_the_key(router: FakeRouter) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    response = await router.http.post("/api/v1/chat", content=body())
    assert response.status_code == 401


def safe(response: httpx.Response) -> bool:
    wanted = {"x-content-type-options": "nosniff", "cache-control": "no-store", "x-frame-options": "DENY"}
    return (
        wanted.items() <= dict(response.headers).items()
        and "frame-ancestors 'none'" in response.headers["content-security-policy"]
    )


async def test_every_answer_has_safe_headers(router: FakeRouter) -> None:
    key = bearer(await make_key(router.store))
    ask = {"query": "hello", "user_id": "u1"}
    answers = [
        await router.http.post("/api/v1/chat", json=ask, headers=key),
        await router.http.post("/api/v1/chat", json={**ask, "stream": True}, headers=key),
        await router.http.post("/api/v1/chat", json=ask),
        await router.http.get("/nope", headers=key),
        await router.http.get(HEALTH, headers={"host": "evil.com"}),
        await router.http.options("/api/v1/chat", headers={"origin": "https://evil.com", **key}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 404, 400, 405]
    assert all(safe(answer) for answer in answers)
    assert all(answer.headers["strict-transport-security"] == "max-age=31536000" for answer in answers)
    assert not any(name.startswith("access-control") for answer in answers for name in answer.headers)


async def test_a_fault_of_the_router_has_safe_headers_and_no_text_in_the_log(
    router: FakeRouter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(router.service, "answer", broken)
    key = bearer(await make_key(router.store))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(router.app), base_url="http://router") as http:
        response = await http.post("/api/v1/chat", json={"query": "hello", "user_id": "u1"}, headers=key)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert safe(response)
    assert "unexpected RuntimeError" in caplog.text
    assert "secret" not in caplog.text


async def test_the_document_tells_headers_and_refusals(router: FakeRouter) -> None:
    admin = bearer(await make_key(router.store, admin=True))
    paths = (await router.http.get("/openapi.json", headers=admin)).json()["paths"]
    answers = paths["/api/v1/chat"]["post"]["responses"]
    assert answers["503"]["headers"]["Retry-After"]["required"]
    assert {"X-LLM-Router-Model", "X-Request-ID"} <= answers["200"]["headers"].keys()
    assert "text/event-stream" in paths["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    for methods in paths.values():
        for operation in methods.values():
            assert {"400", "401", "431", "500", "503"} <= operation["responses"].keys()


async def test_development_has_docs_and_no_hsts(tokenizer: Path) -> None:
    async with running_router(tokenizer) as router:
        docs = await router.http.get("/docs")
        assert docs.status_code == 200
        assert safe(docs)
        assert "default-src" not in docs.headers["content-security-policy"]
        assert "strict-transport-security" not in docs.headers
        assert {} in (await router.http.get("/openapi.json")).json()["security"]
