"""The semantic cache on the way of a query, with the real encoder: who gets which answer, and how it is marked."""

from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.artifacts.minilm import ensure_minilm
from app.domain import Domain, Embedding
from app.memory.cache.build import CacheConfig
from app.memory.embedder import MiniLMEmbedder
from tests.app.api.test_chat import events
from tests.app.api.test_records import explained
from tests.fakes.router import FakeRouter, running_router

pytestmark = pytest.mark.integration
CHAT, COMPLETIONS = "/api/v1/chat", "/v1/chat/completions"
FIRST = {"query": "How do I enable the firewall on Ubuntu?", "user_id": "ann"}
SAME = {"query": "How can I enable the firewall on Ubuntu?", "user_id": "ann"}


@cache
def encoder() -> MiniLMEmbedder:
    return MiniLMEmbedder(ensure_minilm())


class InProcess:
    async def embed(self, texts: list[str]) -> list[Embedding]:
        return [Embedding(vector.tolist(), {Domain.GENERAL: 0.0}) for vector in encoder().embed(texts)]


@pytest.fixture
async def similar(tokenizer: Path) -> AsyncIterator[FakeRouter]:
    async with running_router(tokenizer, embedder=InProcess(), cache=CacheConfig()) as fake:
        yield fake


async def ask(router: FakeRouter, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = await router.http.post(CHAT, json=body, headers=headers)
    assert response.status_code == 200, response.text
    metadata: dict[str, Any] = response.json()["routing_metadata"]
    return metadata


async def test_the_same_meaning_gets_the_same_answer_marked_with_similarity_and_age(similar: FakeRouter) -> None:
    first = (await similar.http.post(CHAT, json=FIRST)).json()
    response = await similar.http.post(CHAT, json=SAME)
    body = response.json()
    assert (body["response"], body["model_used"], body["usage"]["cost_usd"]) == (
        first["response"],
        first["model_used"],
        0.0,
    )
    cached = body["routing_metadata"]["cache"]
    assert (cached["kind"], body["routing_metadata"]["reason"]) == ("semantic", "cache")
    assert 0.86 <= cached["similarity"] < 1
    assert cached["age_s"] >= 0
    assert response.headers["x-llm-router-cache"] == "semantic"
    assert float(response.headers["x-llm-router-cache-similarity"]) == cached["similarity"]
    outcome = (await explained(similar, body["routing_metadata"]["request_id"]))["outcome"]
    assert outcome["cache"] == "semantic"
    assert outcome["cache_similarity"] == pytest.approx(cached["similarity"], abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"query": "How do I disable the firewall on Ubuntu?"}, {}),
        ({"query": "How do I enable the firewall on Debian?"}, {}),
        ({"user_id": "bob"}, {}),
        ({"user_tier": "pro"}, {}),
        ({"context": "Answer in French."}, {}),
        ({"cache": False}, {}),
        ({}, {"cache-control": "no-store"}),
        ({}, {"x-tenant-id": "acme"}),
        ({"model": "medium"}, {}),
    ],
)
async def test_another_meaning_another_user_or_no_wish_gets_an_answer_of_its_own(
    similar: FakeRouter, changes: dict[str, Any], headers: dict[str, str]
) -> None:
    await ask(similar, FIRST)
    assert (await ask(similar, {**SAME, **changes}, **headers))["cache"] is None


async def test_a_tenant_may_share_and_still_not_with_another_one(tokenizer: Path) -> None:
    config = CacheConfig(semantic_scope="tenant")
    async with running_router(tokenizer, embedder=InProcess(), cache=config) as router:
        await ask(router, FIRST)
        assert (await ask(router, {**SAME, "user_id": "bob"}))["cache"]["kind"] == "semantic"
        assert (await ask(router, {**SAME, "user_id": "bob"}, **{"x-tenant-id": "acme"}))["cache"] is None


async def test_a_stream_is_kept_and_answered_by_meaning(similar: FakeRouter) -> None:
    body = {"messages": [{"role": "user", "content": FIRST["query"]}], "user": "ann", "user_tier": "free"}
    await similar.http.post(COMPLETIONS, json={**body, "model": "auto", "stream": True})
    again = {**body, "messages": [{"role": "user", "content": SAME["query"]}], "model": "auto", "stream": True}
    response = await similar.http.post(COMPLETIONS, json=again)
    assert response.headers["x-llm-router-cache"] == "semantic"
    assert response.text.rstrip().endswith("data: [DONE]")
    streamed = events((await similar.http.post(CHAT, json={**SAME, "stream": True})).text)
    assert [name for name, _ in streamed] == ["decision", "delta", "usage"]
    assert streamed[0][1]["routing_metadata"]["cache"]["kind"] == "semantic"
