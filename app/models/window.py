"""How the calls of the last seconds ended."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

STEP_S = 1.0


@dataclass(slots=True)
class _Step:
    begun: float
    calls: int = 0
    failures: int = 0


class Window:
    """Counts over a sliding window of `length_s` seconds, exact to a second. `clock` gives seconds."""

    def __init__(self, length_s: float, clock: Callable[[], float]) -> None:
        self._length_s = length_s
        self._clock = clock
        self._steps: deque[_Step] = deque()

    def add(self, *, failed: bool) -> None:
        now = self._clock()
        if not self._steps or now - self._steps[-1].begun >= STEP_S:
            self._steps.append(_Step(now))
        self._steps[-1].calls += 1
        self._steps[-1].failures += failed

    def full(self, failures: int, ratio: float) -> bool:
        """Whether at least so many calls failed, and at least this share of all."""
        oldest = self._clock() - self._length_s
        while self._steps and self._steps[0].begun <= oldest:
            self._steps.popleft()
        failed = sum(step.failures for step in self._steps)
        return failed >= failures and failed >= ratio * sum(step.calls for step in self._steps)

    def clear(self) -> None:
        self._steps.clear()
