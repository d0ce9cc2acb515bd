"""The exact cache on the way of a query: hits, streams, opt-outs, tenants, and one call for many."""

import asyncio
from typing import Any

import pytest

from tests.app.api.test_chat import events
from tests.app.api.test_records import explained
from tests.fakes.router import FakeRouter
from tests.fakes.upstream import CHAT_ANSWER, CHAT_STREAM, answer, stream

CHAT, COMPLETIONS = "/api/v1/chat", "/v1/chat/completions"
GOOD = {"query": "What is the tallest mountain?", "user_id": "u", "model": "medium"}


async def test_the_second_same_request_is_free_and_says_where_it_comes_from(router: FakeRouter) -> None:
    await router.http.post(CHAT, json=GOOD)
    response = await router.http.post(CHAT, json={**GOOD, "user_id": "another of the tenant"})
    body = response.json()
    assert len(router.upstream.received) == 1
    assert (body["response"], body["model_used"], body["usage"]["cost_usd"]) == ("Paris", "medium", 0.0)
    assert body["routing_metadata"]["reason"] == "cache"
    assert body["routing_metadata"]["cache"]["kind"] == response.headers["x-llm-router-cache"] == "exact"
    assert body["routing_metadata"]["cache"]["age_s"] >= 0
    assert response.headers["age"] == "0"
    assert response.headers["x-llm-router-cause"] == "cache"
    outcome = (await explained(router, response.headers["x-request-id"]))["outcome"]
    assert (outcome["cache"], outcome["cost_usd"], outcome["output_tokens"]) == ("exact", 0.0, 3)


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"query": "What is the deepest lake?"}, {}),
        ({"user_tier": "pro"}, {}),
        ({"context": "Answer in French."}, {}),
        ({"cache": False}, {}),
        ({}, {"cache-control": "no-store"}),
        ({}, {"x-tenant-id": "acme"}),
    ],
)
async def test_what_is_not_the_same_or_not_wanted_is_asked_again(
    router: FakeRouter, changes: dict[str, Any], headers: dict[str, str]
) -> None:
    await router.http.post(CHAT, json=GOOD)
    await router.http.post(CHAT, json={**GOOD, **changes}, headers=headers)
    assert len(router.upstream.received) == 2


async def test_a_request_with_no_store_leaves_nothing(router: FakeRouter) -> None:
    await router.http.post(CHAT, json=GOOD, headers={"cache-control": "no-store"})
    await router.http.post(CHAT, json=GOOD)
    assert len(router.upstream.received) == 2


async def test_an_error_is_not_kept(router: FakeRouter) -> None:
    router.upstream.behaviours.append(answer({"error": {"message": "down"}}, 500))
    assert (await router.http.post(CHAT, json=GOOD)).status_code == 502
    assert (await router.http.post(CHAT, json=GOOD)).json()["routing_metadata"]["reason"] == "requested"


async def test_a_stream_is_answered_from_the_cache_as_a_stream(router: FakeRouter) -> None:
    await router.http.post(CHAT, json=GOOD)
    received = events((await router.http.post(CHAT, json={**GOOD, "stream": True})).text)
    assert [name for name, _ in received] == ["decision", "delta", "usage"]
    assert received[1][1]["text"] == "Paris"
    assert received[2][1]["cost_usd"] == 0.0
    assert len(router.upstream.received) == 1


async def test_a_stream_that_came_to_its_end_is_kept(router: FakeRouter) -> None:
    body = {"model": "medium", "messages": [{"role": "user", "content": "q"}]}
    router.upstream.behaviours.append(stream(CHAT_STREAM))
    await router.http.post(COMPLETIONS, json={**body, "stream": True})
    again = (await router.http.post(COMPLETIONS, json=body)).json()
    assert len(router.upstream.received) == 1
    assert again["choices"][0]["message"]["content"] == "Paris"


async def test_the_same_request_many_times_at_once_is_one_call(router: FakeRouter) -> None:
    async def slow(request: Any) -> Any:
        await asyncio.sleep(0.2)
        return await answer(CHAT_ANSWER)(request)

    router.upstream.behaviours += [slow] * 8
    answers = await asyncio.gather(*(router.http.post(CHAT, json=GOOD) for _ in range(8)))
    assert {response.status_code for response in answers} == {200}
    assert len(router.upstream.received) == 1
    costs = sorted(response.json()["usage"]["cost_usd"] for response in answers)
    assert costs[:7] == [0.0] * 7
    assert costs[7] > 0


async def test_hits_and_misses_are_counted_and_told_by_health(router: FakeRouter) -> None:
    for _ in range(3):
        await router.http.post(CHAT, json=GOOD)
    text = (await router.http.get("/api/v1/metrics")).text
    assert 'llm_router_cache_hits_total{kind="exact"} 2.0' in text
    assert 'llm_router_cache_misses_total{kind="exact"} 1.0' in text
    cache = (await router.http.get("/api/v1/health")).json()["services"]["cache"]
    assert (cache["exact"]["state"], cache["exact"]["hits"]) == ("ok", 2)


async def test_the_same_stream_many_times_at_once_is_one_call(router: FakeRouter) -> None:
    async def slow(request: Any) -> Any:
        await asyncio.sleep(0.2)
        return await stream(CHAT_STREAM)(request)

    router.upstream.behaviours += [slow] * 4
    answers = await asyncio.gather(*(router.http.post(CHAT, json={**GOOD, "stream": True}) for _ in range(4)))
    assert len(router.upstream.received) == 1
    streams = [events(response.text) for response in answers]
    assert {"".join(data["text"] for name, data in one if name == "delta") for one in streams} == {"Paris"}
    costs = sorted(one[-1][1]["cost_usd"] for one in streams)
    assert costs[:3] == [0.0] * 3
    assert costs[3] > 0
