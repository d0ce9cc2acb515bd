"""The router's own endpoints: answers, decisions, streams, and fallbacks."""

import asyncio
import re

import orjson
import pytest

from app.api import streaming
from tests.fakes.router import FakeRouter
from tests.fakes.upstream import CHAT_STREAM, answer, chat_chunk, cut_off, hang, sse, stream

HARD = (
    "Design a distributed rate limiter that must survive the failure of a region, compare at least three consistency "
    "trade-offs, derive their error bounds, and explain step by step which one you would choose and why."
)


def events(body: str) -> list[tuple[str, dict[str, object]]]:
    blocks = [block.split("\n") for block in body.strip().split("\n\n")]
    return [(name.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))) for name, data in blocks]


async def leave_early(router: FakeRouter, body: dict[str, object], headers: dict[str, str] | None = None) -> None:
    """Asks, and leaves once the provider is working."""
    asking = asyncio.create_task(router.http.post("/api/v1/chat", json=body, headers=headers))
    while not router.upstream.received:  # noqa: ASYNC110 -- the fake has no event for this
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_greeting_goes_to_the_small_local_model_by_rule(router: FakeRouter) -> None:
    response = await router.http.post("/api/v1/chat", json={"query": "hello", "user_id": "u"})
    body = response.json()
    assert response.status_code == 200
    assert (body["response"], body["model_used"]) == ("Paris", "small")
    assert body["usage"] == {"input_tokens": 12, "output_tokens": 3, "cached_input_tokens": 4, "cost_usd": 0.0}
    metadata = body["routing_metadata"]
    assert (metadata["reason"], metadata["rule"], metadata["fallback"]) == ("rule", "greeting", [])
    assert [item["model"] for item in metadata["alternatives"]] == ["medium", "strong"]
    assert metadata["features"]["complexity"] < 0.3
    assert metadata["request_id"] == response.headers["x-request-id"] == response.headers["x-llm-router-request-id"]
    assert response.headers["x-llm-router-model"] == "small"
    assert response.headers["x-llm-router-cause"] == "rule"
    assert float(response.headers["x-llm-router-overhead-ms"]) >= 0


async def test_a_hard_query_of_a_paying_user_goes_to_the_strong_model(router: FakeRouter) -> None:
    body = {"query": HARD, "user_id": "u", "user_tier": "enterprise"}
    response = await router.http.post("/api/v1/chat", json=body)
    assert response.json()["model_used"] == "strong"
    assert router.upstream.received[0].path == "/v1/messages"
    assert router.upstream.received[0].body["messages"][-1]["content"][0]["text"] == HARD


async def test_route_shows_every_factor_and_calls_no_model(router: FakeRouter) -> None:
    body = {"query": "Is 91 a prime number?", "user_id": "u", "user_tier": "pro"}
    decision = (await router.http.post("/api/v1/route", json=body)).json()
    assert decision["cause"] == "scored"
    off = {"embedding": "off", "classifier": "off", "memory": "off"}
    assert decision["skipped"] == off
    assert decision["rejected"] == {"keyless": "no_key:OPENAI_API_KEY"}
    assert decision["model"] == decision["candidates"][0]["model"]
    assert {"quality", "cost", "latency"} <= decision["candidates"][0]["factors"].keys()
    scores = [candidate["score"] for candidate in decision["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert not router.upstream.received
    assert not router.local.bodies


async def test_a_named_model_is_called_without_fallback(router: FakeRouter) -> None:
    router.upstream.behaviours.append(answer({"error": {"message": "overloaded"}}, 503))
    body = {"query": "hello", "user_id": "u", "model": "medium"}
    response = await router.http.post("/api/v1/chat", json=body)
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_unreachable"
    assert len(router.upstream.received) == 1


async def test_the_next_candidate_answers_when_the_first_fails(router: FakeRouter) -> None:
    router.local.reason = "loading"
    router.upstream.behaviours += [answer({"error": {"message": "down"}}, 500)]
    response = await router.http.post("/api/v1/chat", json={"query": "hello", "user_id": "u"})
    metadata = response.json()["routing_metadata"]
    assert response.status_code == 200
    assert response.json()["model_used"] == "strong"
    assert metadata["fallback"] == ["medium:upstream_unreachable"]


@pytest.mark.parametrize("context", ["The user lives in Bern.", [{"role": "user", "content": "My name is Ann."}]])
async def test_context_goes_before_the_query(router: FakeRouter, context: object) -> None:
    await router.http.post("/api/v1/chat", json={"query": "hello", "user_id": "u", "context": context})
    messages = router.local.bodies[0]["messages"]
    assert isinstance(messages, list)
    expected = {"role": "system", "content": context} if isinstance(context, str) else context[0]  # type: ignore[index]
    assert messages == [expected, {"role": "user", "content": "hello"}]


async def test_a_stream_is_the_decision_then_the_text_then_the_usage(router: FakeRouter) -> None:
    body = {"query": "hello", "user_id": "u", "stream": True}
    response = await router.http.post("/api/v1/chat", json=body)
    received = events(response.text)
    assert [name for name, _ in received] == ["decision", "delta", "delta", "usage"]
    assert received[0][1]["model_used"] == "small"
    assert "".join(str(data["text"]) for name, data in received if name == "delta") == "Hello"
    assert received[-1][1]["output_tokens"] == 3
    assert response.headers["content-type"].startswith("text/event-stream")


async def test_an_error_in_the_middle_of_a_stream_is_an_event(router: FakeRouter) -> None:
    router.upstream.behaviours.append(cut_off(sse(chat_chunk("Pa"))))
    body = {"query": "hello", "user_id": "u", "stream": True, "model": "medium"}
    received = events((await router.http.post("/api/v1/chat", json=body)).text)
    assert [name for name, _ in received] == ["decision", "delta", "error"]
    error = received[-1][1]["error"]
    assert isinstance(error, dict)
    assert error["code"] == "upstream_invalid_answer"


async def test_a_client_that_leaves_closes_the_stream_of_the_provider(router: FakeRouter) -> None:
    router.upstream.behaviours.append(hang(sse(chat_chunk("Pa"))))
    ask = {"query": "hello", "user_id": "u", "stream": True, "model": "medium"}
    await leave_early(router, ask)
    await asyncio.wait_for(router.upstream.left.wait(), 10)
    assert router.upstream.left.is_set()


@pytest.mark.parametrize(("given", "kept"), [("abc-123", True), ("a b\tc", False), ("", False), ("x" * 201, False)])
async def test_the_callers_request_id_returns_beside_ours(router: FakeRouter, given: str, kept: bool) -> None:
    body = {"query": "hello", "user_id": "u"}
    response = await router.http.post("/api/v1/route", json=body, headers={"x-request-id": given})
    own = response.json()["request_id"]
    assert re.fullmatch("[0-9a-f]{32}", own)
    assert response.headers["x-llm-router-request-id"] == own
    assert response.headers["x-request-id"] == (given if kept else own)


async def test_a_silent_model_is_bridged_by_comments_that_clients_pass_over(
    router: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "BEAT_S", 0.02)
    router.upstream.behaviours.append(stream(CHAT_STREAM[:-20], CHAT_STREAM[-20:], pause_s=0.3))
    body = {"query": "q", "user_id": "u", "model": "medium", "stream": True}
    response = await router.http.post("/api/v1/chat", json=body)
    assert response.text.count(streaming.BEAT.decode()) >= 3
    without = response.text.replace(streaming.BEAT.decode(), "")
    assert [name for name, _ in events(without)] == ["decision", "delta", "delta", "usage"]
