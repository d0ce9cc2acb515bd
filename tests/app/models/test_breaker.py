import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import UpstreamError, UpstreamRejected, UpstreamUnauthorized, UpstreamUnreachable
from app.models.breaker import Breakers
from app.observability.labels import BreakerState
from tests.fakes.router import BREAKER_THRESHOLD, FakeRouter, running_router
from tests.fakes.upstream import answer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def router(tokenizer: Path) -> AsyncIterator[FakeRouter]:
    async with running_router(tokenizer) as fake:
        yield fake


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(["m", "other"], threshold=3, open_s=30, clock=clock)


def fail(breakers: Breakers, error: BaseException, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)), breakers.watch("m"):
            raise error


def succeed(breakers: Breakers) -> None:
    with breakers.watch("m"):
        pass


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(breakers: Breakers) -> None:
    fail(breakers, UpstreamUnreachable("down"), 2)
    succeed(breakers)
    fail(breakers, UpstreamUnreachable("down"), 2)
    assert breakers.blocked() == {}
    fail(breakers, UpstreamUnreachable("down"))
    assert breakers.blocked() == {"m": "breaker_open"}
    assert breakers.states() == {"m": BreakerState.OPEN, "other": BreakerState.CLOSED}


@pytest.mark.parametrize("error", [UpstreamRejected("your request"), asyncio.CancelledError(), ValueError("ours")])
def test_what_is_not_the_providers_fault_does_not_count(breakers: Breakers, error: BaseException) -> None:
    fail(breakers, error, 10)
    assert breakers.blocked() == {}


def test_a_refused_key_opens_it_at_once(breakers: Breakers) -> None:
    fail(breakers, UpstreamUnauthorized("401"))
    assert breakers.blocks("m")


def test_after_a_while_one_request_tries(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, UpstreamUnreachable("down"), 3)
    clock.now = 29.9
    assert breakers.blocks("m")
    clock.now = 30
    assert breakers.states()["m"] is BreakerState.HALF_OPEN
    with breakers.watch("m"):
        assert breakers.blocks("m")  # the others wait for the one that tries
    assert breakers.states()["m"] is BreakerState.CLOSED


@pytest.mark.parametrize("error", [UpstreamUnreachable("down"), asyncio.CancelledError()])
def test_a_try_that_does_not_succeed(breakers: Breakers, clock: Clock, error: BaseException) -> None:
    fail(breakers, UpstreamUnreachable("down"), 3)
    clock.now = 30
    fail(breakers, error)
    assert breakers.blocks("m") is isinstance(error, UpstreamError)  # who leaves proves nothing: the next one tries


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_with_an_open_breaker_is_not_asked(router: FakeRouter, stream: bool) -> None:
    ask = {"query": "What is the tallest mountain?", "user_id": "u", "cache": False, "stream": stream}
    router.upstream.behaviours += [answer({"error": {"message": "down"}}, 500)] * BREAKER_THRESHOLD
    for _ in range(BREAKER_THRESHOLD):
        assert (await router.http.post("/api/v1/chat", json={**ask, "model": "medium"})).status_code == 502
    refused = await router.http.post("/api/v1/chat", json={**ask, "model": "medium"})
    assert (refused.status_code, len(router.upstream.received)) == (503, BREAKER_THRESHOLD)
    assert int(refused.headers["retry-after"]) >= 1
    models = {model["id"]: model for model in (await router.http.get("/api/v1/models")).json()["models"]}
    assert (models["medium"]["available"], models["medium"]["reason"]) == (False, "breaker_open")
    decision = (await router.http.post("/api/v1/route", json={"query": ask["query"], "user_id": "u"})).json()
    assert decision["rejected"]["medium"] == "breaker_open"
    assert (await router.http.post("/api/v1/chat", json=ask)).status_code == 200
