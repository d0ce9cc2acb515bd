import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.errors import (
    ModelBusy,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from app.models.breaker import RATE_LIMITED_S, BreakerConfig, Breakers, Note
from app.observability.labels import BreakerState
from tests.fakes.router import BREAKER_THRESHOLD, FakeRouter, running_router
from tests.fakes.upstream import answer

DOWN = UpstreamUnreachable("down")


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
    config = BreakerConfig(failure_ratio=0.5, window_s=10, open_s=30)
    return Breakers(["m", "other"], threshold=3, config=config, clock=clock)


def fail(breakers: Breakers, error: BaseException, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)), breakers.watch("m"):
            raise error


def succeed(breakers: Breakers, times: int = 1) -> None:
    for _ in range(times):
        with breakers.watch("m"):
            pass


def test_half_of_the_calls_failing_opens_it_when_they_are_enough(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, DOWN, 2)
    assert breakers.blocked() == {}  # all calls, but only two
    clock.now = 5
    succeed(breakers, 4)
    fail(breakers, DOWN, 1)
    assert breakers.blocked() == {}  # three, but of seven
    fail(breakers, DOWN)
    assert breakers.blocked() == {"m": "breaker_open"}
    assert breakers.states() == {"m": BreakerState.OPEN, "other": BreakerState.CLOSED}
    assert breakers.notes()["m"] == Note(at=5, until=35, code="upstream_unreachable", message="down")


def test_failures_are_forgotten_after_the_window(breakers: Breakers, clock: Clock) -> None:
    for clock.now in range(0, 100, 6):  # two within any ten seconds
        fail(breakers, DOWN)
    assert breakers.blocked() == {}


@pytest.mark.parametrize(
    "error", [UpstreamRejected("your request"), ModelBusy("our limit"), asyncio.CancelledError(), ValueError("ours")]
)
def test_what_is_not_the_providers_fault_does_not_count(breakers: Breakers, error: BaseException) -> None:
    fail(breakers, error, 10)
    assert breakers.blocked() == {}


def test_a_refused_key_opens_it_at_once_and_says_so(breakers: Breakers) -> None:
    succeed(breakers, 100)
    fail(breakers, UpstreamUnauthorized("check the variable M_KEY"))
    assert breakers.blocks("m")
    assert str(breakers.refusal("m")) == "m: breaker_open (upstream_unauthorized): check the variable M_KEY"


def test_a_provider_that_says_for_how_long_is_left_alone_so_long(breakers: Breakers, clock: Clock) -> None:
    succeed(breakers, 100)
    fail(breakers, UpstreamRateLimited("slow down", retry_after_s=8))
    clock.now = 7.9
    refusal = breakers.refusal("m")
    assert breakers.blocks("m")
    assert (type(refusal), refusal.retry_after_s) == (UpstreamRateLimited, 1.0)
    clock.now = 8
    assert not breakers.blocks("m")


def test_limits_are_counted_on_their_own(breakers: Breakers, clock: Clock) -> None:
    short = UpstreamRateLimited("slow down", retry_after_s=0.5)
    fail(breakers, DOWN, 2)
    fail(breakers, short, 2)
    assert breakers.blocked() == {}
    fail(breakers, UpstreamRateLimited("slow down"))
    assert breakers.blocks("m")
    clock.now = RATE_LIMITED_S
    assert not breakers.blocks("m")


def test_after_a_while_one_request_tries(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, DOWN, 3)
    clock.now = 29.9
    assert breakers.blocks("m")
    clock.now = 30
    assert breakers.states()["m"] is BreakerState.HALF_OPEN
    with breakers.watch("m"):
        assert breakers.blocks("m")  # the others wait for the one that tries
    assert breakers.states()["m"] is BreakerState.CLOSED


@pytest.mark.parametrize("failing", [True, False])
def test_calls_that_began_before_it_opened_do_not_move_it(breakers: Breakers, clock: Clock, failing: bool) -> None:
    with suppress(UpstreamUnreachable), breakers.watch("m"):
        fail(breakers, DOWN, 3)
        clock.now = 20
        if failing:
            raise DOWN
    assert breakers.notes()["m"].until == 30


@pytest.mark.parametrize("error", [DOWN, asyncio.CancelledError()])
def test_a_try_that_does_not_succeed(breakers: Breakers, clock: Clock, error: BaseException) -> None:
    fail(breakers, DOWN, 3)
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
    breaker = models["medium"]["breaker"]
    assert (breaker["state"], breaker["error"]) == ("open", "upstream_unreachable")
    assert breaker["message"] == "medium: HTTP 500: down"
    assert models["keyless"]["breaker"] is None
    health = (await router.http.get("/api/v1/health")).json()
    assert health["services"]["breakers"] == {"medium": breaker}
    decision = (await router.http.post("/api/v1/route", json={"query": ask["query"], "user_id": "u"})).json()
    assert decision["rejected"]["medium"] == "breaker_open"
    assert (await router.http.post("/api/v1/chat", json=ask)).status_code == 200
