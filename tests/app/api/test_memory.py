"""The memory of outcomes on the way of a query: what is fed to it, what it says, what its health is."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.artifacts.minilm import DIMENSIONS
from app.domain import Domain, Embedding
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.retriever import Retriever
from tests.fakes.router import FakeRouter, running_router
from tests.fakes.upstream import answer as answer_with

CHAT, FEEDBACK = "/api/v1/chat", "/api/v1/feedback"
ASK = {"query": "Is 91 a prime number?", "user_id": "ann", "user_tier": "enterprise"}
VECTOR = [1.0, *[0.0] * (DIMENSIONS - 1)]


class OneVector:
    """An Embedder to which all texts mean the same."""

    async def embed(self, texts: list[str]) -> list[Embedding]:
        return [Embedding(VECTOR, {Domain.GENERAL: 0.0}) for _ in texts]


@pytest.fixture
async def retriever(tmp_path: Path) -> AsyncIterator[Retriever]:
    config = MemoryConfig(folder=str(tmp_path / "memory"))
    retriever = Retriever(config, lambda: ChromaHistory.open(config, None))
    yield retriever
    await retriever.close()


@pytest.fixture
async def router(tokenizer: Path, retriever: Retriever) -> AsyncIterator[FakeRouter]:
    async with running_router(tokenizer, embedder=OneVector(), retriever=retriever) as fake:
        await remembered(fake, 0)
        yield fake


async def health(router: FakeRouter) -> dict[str, Any]:
    memory: dict[str, Any] = (await router.http.get("/api/v1/health")).json()["services"]["memory"]
    return memory


async def until(true: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(10):
        while not await true():  # noqa: ASYNC110 -- the feed works behind the requests
            await asyncio.sleep(0.01)


async def remembered(router: FakeRouter, count: int) -> None:
    async def is_there() -> bool:
        return bool((await health(router))["count"] == count)

    await until(is_there)


async def ask(router: FakeRouter, tenant: str = "default", **changes: Any) -> dict[str, Any]:
    response = await router.http.post(CHAT, json={**ASK, "cache": False, **changes}, headers={"x-tenant-id": tenant})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def recalled(retriever: Retriever, tenant: str = "default") -> dict[str, float]:
    (found,) = await retriever.recall([(tenant, array("f", VECTOR).tobytes())])
    return {model: round(success, 3) for model, success in found.success.items()}


async def test_an_answer_is_remembered_and_its_rating_follows(router: FakeRouter, retriever: Retriever) -> None:
    answer = await ask(router)
    await remembered(router, 1)
    assert await recalled(retriever) == {}  # nobody has judged it
    body = {"request_id": answer["routing_metadata"]["request_id"], "rating": 4}
    assert (await router.http.post(FEEDBACK, json=body)).status_code == 200
    await until(lambda: recalled(retriever))
    assert await recalled(retriever) == {answer["model_used"]: 0.75}
    assert await recalled(retriever, "acme") == {}


async def test_a_model_that_fails_is_remembered_as_failing(router: FakeRouter, retriever: Retriever) -> None:
    router.upstream.behaviours = [answer_with({}, 500)]
    (call,) = (await ask(router))["routing_metadata"]["fallback"]
    model, code = call.split(":")
    assert code == "upstream_unreachable"
    await remembered(router, 1)
    assert await recalled(retriever) == {model: 0.0}


async def test_a_request_whose_every_candidate_fails_is_remembered(router: FakeRouter, retriever: Retriever) -> None:
    router.upstream.usual = lambda _path, _body: answer_with({}, 500)
    router.local.unavailable = lambda: "loading"  # type: ignore[method-assign]
    response = await router.http.post(CHAT, json={**ASK, "cache": False})
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_unreachable")
    await remembered(router, 1)
    assert await recalled(retriever) == {"medium": 0.0, "strong": 0.0}
    stored: dict[str, Any] = {}

    async def is_stored() -> bool:
        path = f"/api/v1/requests/{response.headers['x-llm-router-request-id']}"
        stored.update((await router.http.get(path)).json())
        return bool(stored.get("outcome"))

    await until(is_stored)
    outcome = stored["outcome"]
    assert sorted(outcome["fallbacks"]) == ["medium:upstream_unreachable", "strong:upstream_unreachable"]


async def test_what_needed_no_embedding_or_came_from_a_cache_is_not_remembered(router: FakeRouter) -> None:
    await ask(router, query="hi")
    await ask(router, model="medium")
    await ask(router, cache=True)
    await ask(router, cache=True)
    await remembered(router, 1)
    assert (await health(router))["state"] == "ok"


async def test_a_user_is_forgotten_by_the_memory_too(router: FakeRouter) -> None:
    await ask(router)
    await ask(router, user_id="bob")
    await remembered(router, 2)
    deleted = (await router.http.delete("/api/v1/users/ann")).json()
    assert (deleted["decisions"], deleted["memories"]) == (1, 1)
    assert (await router.http.delete("/api/v1/users/ann")).json()["memories"] == 0


async def test_a_broken_memory_fails_no_request_and_says_why(tokenizer: Path, tmp_path: Path) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    config = MemoryConfig(folder=str(tmp_path))
    retriever = Retriever(config, lambda: ChromaHistory.open(config, None))
    async with running_router(tokenizer, embedder=OneVector(), retriever=retriever) as router:
        answer = await ask(router)
        assert answer["routing_metadata"]["skipped"]["memory"] == "failed"
        assert answer["routing_metadata"]["reason"] == "degraded"

        async def opening_failed() -> bool:  # it goes on behind the decision, which may be told only to come again
            return (await health(router))["last_error"] is not None

        await until(opening_failed)
        known = await health(router)
        assert known["state"] == "failed"
        assert "Chroma cannot open it" in known["last_error"]
        response = await router.http.delete("/api/v1/users/ann")
        assert response.status_code == 503
        error = response.json()["error"]
        assert error["code"] == "memory_unavailable"
        assert "what the database held of this user is deleted, what the memory holds is not yet" in error["message"]


async def test_without_a_memory_it_is_off(tokenizer: Path) -> None:
    async with running_router(tokenizer, embedder=OneVector()) as router:
        await ask(router)
        assert (await health(router))["state"] == "off"
