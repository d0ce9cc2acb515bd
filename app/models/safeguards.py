"""What stands between a query and a model that had better not be called."""

from dataclasses import dataclass

from app.models.breaker import Breakers
from app.models.concurrency import Concurrency
from app.models.retry_budget import RetryBudget


@dataclass(frozen=True, slots=True)
class Safeguards:
    """One set per ingress replica."""

    breakers: Breakers
    concurrency: Concurrency
    budget: RetryBudget
