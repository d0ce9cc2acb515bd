"""Circuit breakers: a model that fails again and again is left alone for a while, then tried by one request.

After M. Nygard, Release It!, with consecutive failures as the measure. Each ingress replica has its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from app.errors import UpstreamError, UpstreamRejected, UpstreamUnauthorized
from app.observability.labels import BreakerState

OPEN_S = 30.0
BLOCKED = "breaker_open"


@dataclass(slots=True)
class _Breaker:
    failures: int = 0
    opened_at: float | None = None
    probing: bool = False


class Breakers:
    """One breaker for each model, opened by `threshold` failures in a row, or by one refused key."""

    def __init__(
        self, models: Iterable[str], *, threshold: int, open_s: float = OPEN_S, clock: Callable[[], float] = monotonic
    ) -> None:
        self._breakers = {model: _Breaker() for model in models}
        self._threshold = threshold
        self._open_s = open_s
        self._clock = clock

    def states(self) -> Mapping[str, BreakerState]:
        return {model: self._state(breaker) for model, breaker in self._breakers.items()}

    def blocked(self) -> Mapping[str, str]:
        """The models that are not to be called now, with the reason."""
        return {model: BLOCKED for model in self._breakers if self.blocks(model)}

    def blocks(self, model: str) -> bool:
        breaker = self._breakers[model]
        state = self._state(breaker)
        return state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and breaker.probing)

    @contextmanager
    def watch(self, model: str) -> Iterator[None]:
        """Around a call: how it ends moves the breaker. A request that the provider refuses is no failure of his."""
        breaker = self._breakers[model]
        probe = self._state(breaker) is BreakerState.HALF_OPEN
        breaker.probing = breaker.probing or probe
        try:
            yield
        except UpstreamRejected:
            self._closed(breaker)
            raise
        except UpstreamError as error:
            self._failed(breaker, error)
            raise
        else:
            self._closed(breaker)
        finally:
            if probe:
                breaker.probing = False

    def _state(self, breaker: _Breaker) -> BreakerState:
        if breaker.opened_at is None:
            return BreakerState.CLOSED
        waiting = self._clock() - breaker.opened_at < self._open_s
        return BreakerState.OPEN if waiting else BreakerState.HALF_OPEN

    def _closed(self, breaker: _Breaker) -> None:
        breaker.failures, breaker.opened_at = 0, None

    def _failed(self, breaker: _Breaker, error: UpstreamError) -> None:
        breaker.failures += 1
        at_once = isinstance(error, UpstreamUnauthorized) or breaker.opened_at is not None
        if at_once or breaker.failures >= self._threshold:
            breaker.opened_at = self._clock()
