"""Circuit breakers: a model that fails too often is left alone for a while, then tried by one request.

After M. Nygard, Release It!. What opens one: too large a share of failures within a window, a provider that says for
how long to stay away, or a refused key, at once. Nothing here waits: what other replicas know comes and goes by notes
(app/models/breaker_sync.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from time import time
from typing import Annotated

from pydantic import Field

from app.errors import (
    ModelBusy,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from app.models.window import Window
from app.observability.labels import BreakerState
from app.strict import Strict

BLOCKED = "breaker_open"
SHORT_WAIT_S = 2.0  # a request waits so long itself for a provider that says "later"
RATE_LIMITED_S = 5.0  # where the provider does not say how long
LONGEST_S = 300.0  # a limit of a day may be that of one kind of request: it is looked at again


class BreakerConfig(Strict):
    """When a breaker opens and for how long; the least number of failures is CIRCUIT_BREAKER_THRESHOLD."""

    failure_ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    window_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    open_s: Annotated[float, Field(gt=0, le=3600)] = 30.0


@dataclass(frozen=True, slots=True)
class Note:
    """How a breaker was last set. Times are Unix time; `until` is None when it was closed.

    `code` and `message` are those of the error that opened it; the message is public.
    """

    at: float
    until: float | None = None
    code: str = ""
    message: str = ""


class _Breaker:
    def __init__(self, config: BreakerConfig, clock: Callable[[], float]) -> None:
        self.failures = Window(config.window_s, clock)
        self.limits = Window(config.window_s, clock)
        self.note = Note(0.0)
        self.probing = False
        self.may_probe_until = inf  # the lease on the probe
        self.wanted = False  # a request would probe now


class Breakers:
    """One breaker for each model, each of which has one endpoint. It opens on `threshold` failures at least.

    `leased`: a probe needs a lease (`lease`), as another replica may make it. `changed` hears of each own change.
    """

    def __init__(
        self,
        models: Iterable[str],
        *,
        threshold: int,
        config: BreakerConfig | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._config = config or BreakerConfig()
        self._breakers = {model: _Breaker(self._config, clock) for model in models}
        self._threshold = threshold
        self._clock = clock
        self.leased = False
        self.changed: Callable[[str, Note], None] = _nobody

    def states(self) -> Mapping[str, BreakerState]:
        return {model: self._state(breaker) for model, breaker in self._breakers.items()}

    def notes(self) -> Mapping[str, Note]:
        return {model: breaker.note for model, breaker in self._breakers.items()}

    def blocked(self) -> Mapping[str, str]:
        """The models that are not to be called now, with the reason."""
        return {model: BLOCKED for model in self._breakers if self.blocks(model)}

    def blocks(self, model: str) -> bool:
        breaker = self._breakers[model]
        state = self._state(breaker)
        if state is BreakerState.HALF_OPEN:
            breaker.wanted = True
            return breaker.probing or self._clock() >= breaker.may_probe_until
        return state is BreakerState.OPEN

    def refusal(self, model: str) -> UpstreamError:
        """The error in place of a call to a model that is blocked."""
        note = self._breakers[model].note
        kind = UpstreamRateLimited if note.code == UpstreamRateLimited.code else UpstreamUnreachable
        wait_s = max((note.until or 0.0) - self._clock(), 1.0)
        return kind(f"{model}: {BLOCKED} ({note.code}): {note.message}", retry_after_s=wait_s)

    @contextmanager
    def watch(self, model: str) -> Iterator[None]:
        """Around a call: how it ends moves the breaker. A request that the provider refuses is no failure of his."""
        breaker = self._breakers[model]
        probe = self._state(breaker) is BreakerState.HALF_OPEN
        breaker.probing = breaker.probing or probe
        try:
            yield
        except ModelBusy:
            raise  # nobody was asked
        except UpstreamRejected:
            self._passed(model, probe)
            raise
        except UpstreamError as error:
            self.failed(model, error, probe)
            raise
        else:
            self._passed(model, probe)
        finally:
            if probe:
                breaker.probing = False

    def failed(self, model: str, error: UpstreamError, probe: bool = False) -> None:
        """A call that failed, or a stream that broke off. Calls that began before it opened say nothing new."""
        breaker = self._breakers[model]
        if breaker.note.until is not None and not probe:
            return
        limited = isinstance(error, UpstreamRateLimited)
        window = breaker.limits if limited else breaker.failures
        window.add(failed=True)
        wait_s = min(error.retry_after_s or RATE_LIMITED_S, LONGEST_S) if limited else self._config.open_s
        told_to_wait = limited and (error.retry_after_s or 0.0) > SHORT_WAIT_S
        at_once = probe or told_to_wait or isinstance(error, UpstreamUnauthorized)
        if at_once or window.full(self._threshold, self._config.failure_ratio):
            self._open(model, error, wait_s)

    def adopt(self, model: str, note: Note) -> None:
        """What another replica knows; the latest counts."""
        breaker = self._breakers.get(model)
        if breaker is not None and note.at > breaker.note.at:
            self._set(breaker, note)

    def half_open(self) -> list[str]:
        return [model for model, state in self.states().items() if state is BreakerState.HALF_OPEN]

    def wanted(self) -> list[str]:
        """The models whose probe is under way, or was asked for since their last lease."""
        return [m for m in self.half_open() if self._breakers[m].wanted or self._breakers[m].probing]

    def lease(self, model: str, until: float) -> None:
        """Until then (Unix time) the one probe of this model is ours."""
        self._breakers[model].may_probe_until = until
        self._breakers[model].wanted = False

    def _state(self, breaker: _Breaker) -> BreakerState:
        if breaker.note.until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock() < breaker.note.until else BreakerState.HALF_OPEN

    def _passed(self, model: str, probe: bool) -> None:
        breaker = self._breakers[model]
        if probe:
            note = Note(self._clock())
            self._set(breaker, note)
            self.changed(model, note)
        breaker.failures.add(failed=False)
        breaker.limits.add(failed=False)

    def _open(self, model: str, error: UpstreamError, wait_s: float) -> None:
        now = self._clock()
        note = Note(now, now + wait_s, error.code, error.message)
        self._set(self._breakers[model], note)
        self.changed(model, note)

    def _set(self, breaker: _Breaker, note: Note) -> None:
        breaker.note = note
        breaker.wanted = False
        breaker.may_probe_until = 0.0 if self.leased else inf
        breaker.failures.clear()
        breaker.limits.clear()


def _nobody(_: str, __: Note) -> None:
    """Hears of a change while nobody else does."""
