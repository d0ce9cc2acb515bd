"""A brown-out is not amplified: a real client against a provider that fails for a while."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.completion import Prompt
from app.errors import UpstreamError
from app.models import fallback
from app.models.breaker import Breakers
from app.models.concurrency import Concurrency
from app.models.fallback import FallbackChain
from app.models.openai import OpenAIClient, open_session
from app.models.retry_budget import RetryBudget, RetryConfig
from app.models.safeguards import Safeguards
from tests.fakes.router import catalogue
from tests.fakes.upstream import FakeUpstream, answer, running_upstream

CALLS = 200


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with running_upstream() as fake:
        yield fake


@pytest.mark.parametrize("share", [0.0, 0.2])
async def test_a_brown_out_gets_little_more_than_its_usual_load(
    upstream: FakeUpstream, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call fails, ten at a time, and each would be tried five times; the breaker is out of the way."""
    monkeypatch.setattr(fallback, "_BACK_OFF_BASE_S", 0.001)
    upstream.usual = lambda _path, _body: answer({"error": {"message": "overloaded"}}, 503)
    budget = RetryBudget(RetryConfig(share=share, per_s=0, burst=5))
    async with open_session() as session:
        client = OpenAIClient(catalogue(upstream.url).models["medium"], session, "key")
        safeguards = Safeguards(Breakers(["m"], threshold=1000), Concurrency({}), budget)
        chain = FallbackChain({"m": client}, safeguards, timeout_s=30, max_retries=4)

        async def ask() -> None:
            with pytest.raises(UpstreamError):
                await chain.complete(["m"], Prompt([{"role": "user", "content": "hello"}]))

        for _ in range(CALLS // 10):
            await asyncio.gather(*(ask() for _ in range(10)))
    retries = len(upstream.received) - CALLS
    assert share * CALLS <= retries <= share * CALLS + 5
    assert budget.taken["m"] == retries
    assert budget.refused["m"] > 0


def test_a_quiet_model_gets_its_retries_back_with_time() -> None:
    now = 0.0
    budget = RetryBudget(RetryConfig(share=0, per_s=0.5, burst=2), clock=lambda: now)
    assert [budget.take("m") for _ in range(3)] == [True, True, False]
    now = 2.0
    assert [budget.take("m") for _ in range(2)] == [True, False]
    now = 1000.0
    assert [budget.take("m") for _ in range(3)] == [True, True, False]
    assert budget.take("other")
