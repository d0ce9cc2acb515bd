"""Between the router and a store that may be down: a failure is a miss, and the next ones cost no time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic, time
from typing import TypeVar

FIRST_RETRY = 0.1  # of `retry_after_s`: a store that was late once is soon asked again, a dead one less and less
logger = logging.getLogger(__name__)
T = TypeVar("T")


class CacheState(StrEnum):
    OK = "ok"
    DOWN = "down"  # the last call failed; it is tried again from time to time
    OFF = "off"  # switched off by configuration


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """Counts since the start. `skipped` lookups were not made, as the store was down; they are misses too.

    `last_success` is Unix time.
    """

    state: CacheState
    hits: int = 0
    misses: int = 0
    errors: int = 0
    skipped: int = 0
    last_success: float | None = None
    last_error: str | None = None


class Shield:
    """Guards the calls to one store. After a failure single calls look whether it is back.

    The first one after a tenth of `retry_after_s`, the others each after twice the time, up to `retry_after_s`.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout_s: float | None,
        retry_after_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._down = False
        self._retry_at = self._delay_s = 0.0
        self._hits = self._misses = self._errors = self._skipped = 0
        self._last_success: float | None = None
        self._last_error: str | None = None

    async def lookup(self, work: Callable[[], Awaitable[T | None]]) -> T | None:
        """None when nothing is there, or the store fails, is late, or is being left alone."""
        found = None
        if self._open():
            found = await self._run(work)
        else:
            self._skipped += 1
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
        return found

    async def write(self, work: Callable[[], Awaitable[None]]) -> None:
        """What cannot be written is lost: it is only a cache."""
        if self._open():
            await self._run(work)

    def status(self) -> CacheStatus:
        state = CacheState.DOWN if self._down else CacheState.OK
        counts = (self._hits, self._misses, self._errors, self._skipped)
        return CacheStatus(state, *counts, self._last_success, self._last_error)

    def _open(self) -> bool:
        """Whether to call the store. While it is down, a yes is a probe, and the next one comes later."""
        if not self._down:
            return True
        now = self._clock()
        if now < self._retry_at:
            return False
        self._delay_s = min(2 * self._delay_s, self._retry_after_s)
        self._retry_at = now + self._delay_s
        return True

    async def _run(self, work: Callable[[], Awaitable[T | None]]) -> T | None:
        try:
            if self._timeout_s is None:  # in process: a timer costs more than the lookup
                result = await work()
            else:
                async with asyncio.timeout(self._timeout_s):
                    result = await work()
        except Exception as error:
            self._failed(error)
            return None
        if self._down:
            logger.warning("the %s cache is back", self._name)
        self._down, self._last_success = False, time()
        return result

    def _failed(self, error: Exception) -> None:
        if not self._down:
            logger.warning("the %s cache is left alone for now: %r", self._name, error)
            self._down, self._delay_s = True, FIRST_RETRY * self._retry_after_s
            self._retry_at = self._clock() + self._delay_s
        self._errors += 1
        self._last_error = f"{type(error).__name__}: {error}"[:200]
