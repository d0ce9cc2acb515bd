"""The way of memories from the requests to the store: gathered, sent in batches, and never in anybody's way."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.memory.history.memory import Memory, Rating

logger = logging.getLogger(__name__)
BATCH = 256
MAX_WAITING = 10_000  # some 20 MB
EVERY_S = 0.5
ASK_EVERY_S = 10.0  # when there is nothing to send: is the store well, and how much is in it?
TRIES = 5
SEND_WITHIN_S = 30.0
CLOSE_WITHIN_S = 5.0
Event = Memory | Rating


@dataclass(frozen=True, slots=True)
class Batch:
    """Memories first: a rating may judge one of them."""

    memories: Sequence[Memory] = ()
    ratings: Sequence[Rating] = ()


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """`count`: memories in the store when it last answered. `dropped`: memories and ratings that were lost."""

    count: int | None = None
    last_success: datetime | None = None
    last_error: str | None = None
    dropped: int = 0


class MemoryFeed:
    """`send` takes a batch and returns how many memories there are. `start` and `close` belong to the event loop.

    A batch that fails is tried again, `TRIES` times in all, each after twice the time of the last; then it is dropped.
    Meanwhile the oldest of more than `MAX_WAITING` are.
    """

    def __init__(self, send: Callable[[Batch], Awaitable[int]], *, every_s: float = EVERY_S) -> None:
        self._send = send
        self._every_s = every_s
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.status = FeedStatus()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def add(self, event: Event) -> None:
        """Returns at once."""
        if len(self._waiting) == MAX_WAITING:
            self._waiting.popleft()
            self._update(dropped=self.status.dropped + 1)
        self._waiting.append(event)
        self._wake.set()

    async def close(self) -> None:
        """What waits is sent, unless the store does not take it at once."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=CLOSE_WITHIN_S)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            batch = self._batch()
            await self._deliver(batch)
            if self._closing.is_set() and not self._waiting:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), ASK_EVERY_S)
            if len(self._waiting) < BATCH:
                await self._pause(self._every_s)

    def _batch(self) -> list[Event]:
        self._wake.clear()
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        if self._waiting:
            self._wake.set()
        return batch

    async def _deliver(self, events: Sequence[Event]) -> None:
        memories = tuple(one for one in events if isinstance(one, Memory))
        batch = Batch(memories, tuple(one for one in events if isinstance(one, Rating)))
        pause_s = self._every_s
        for last in (False,) * (TRIES - 1) + (True,):
            try:
                async with asyncio.timeout(SEND_WITHIN_S):
                    count = await self._send(batch)
            except Exception as error:
                self._failed(error)
                if last or not events or self._closing.is_set():
                    break
            else:
                self._update(count=count, last_success=datetime.now(UTC), last_error=None)
                return
            await self._pause(pause_s)
            pause_s *= 2
        self._update(dropped=self.status.dropped + len(events))

    async def _pause(self, seconds: float) -> None:
        """Shorter when the feed is to close."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _failed(self, error: Exception) -> None:
        if self.status.last_error is None:
            logger.warning("the memory takes nothing for now: %s", error)
        self._update(last_error=f"{type(error).__name__}: {error}"[:300])

    def _update(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
