"""How many retries are allowed, so that a provider in trouble does not get a multiple of its usual load.

A token bucket for each model: calls fill it, retries empty it (as in Finagle's RetryBudget and Envoy's retry budgets).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Annotated

from pydantic import Field

from app.strict import Strict


class RetryConfig(Strict):
    """Over n calls in t seconds a replica retries a model `share` n + `per_s` t + `burst` times at most."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.2
    per_s: Annotated[float, Field(ge=0)] = 0.5
    burst: Annotated[float, Field(ge=1)] = 5.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RetryBudget:
    """`taken` and `refused` count retries by model since the start."""

    def __init__(self, config: RetryConfig | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._config = config or RetryConfig()
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def called(self, model: str) -> None:
        """A first call, which is none of the retries."""
        self._fill(model, self._config.share)

    def take(self, model: str) -> bool:
        """Whether there may be a retry now."""
        bucket = self._fill(model, 0.0)
        allowed = bucket.tokens >= 1
        bucket.tokens -= allowed
        (self.taken if allowed else self.refused)[model] += 1
        return allowed

    def _fill(self, model: str, tokens: float) -> _Bucket:
        config, now = self._config, self._clock()
        bucket = self._buckets.setdefault(model, _Bucket(config.burst, now))
        tokens += config.per_s * (now - bucket.filled_at)
        bucket.tokens = min(bucket.tokens + tokens, config.burst)
        bucket.filled_at = now
        return bucket
