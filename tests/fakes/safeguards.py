"""Safeguards that stand in nobody's way unless a test says so."""

from collections.abc import Iterable

from app.models.breaker import Breakers
from app.models.concurrency import Concurrency
from app.models.retry_budget import RetryBudget, RetryConfig
from app.models.safeguards import Safeguards


def safeguards(
    models: Iterable[str], *, threshold: int = 5, limit: int | None = None, retries: RetryConfig | None = None
) -> Safeguards:
    """`limit`: how many calls of each model may be under way."""
    ids = tuple(models)
    breakers = Breakers(ids, threshold=threshold)
    return Safeguards(breakers, Concurrency(dict.fromkeys(ids, limit)), RetryBudget(retries or RetryConfig(burst=100)))
