"""One handle call a batch, not a query: a hop between deployments costs milliseconds of CPU whatever it carries."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from itertools import accumulate
from typing import Generic, TypeVar

from app.errors import StageBusy

Item = TypeVar("Item")
Result = TypeVar("Result")


class Gather(Generic[Item, Result]):
    """Sends at once when nothing is in flight, and otherwise gathers what arrives meanwhile into the next call.

    `call` takes at most `max_batch` items, and of `work` at most `max_work`, but always one item; it answers in their
    order. A call may take `call_timeout_s`; then its items fail with TimeoutError and the next batch goes out. Beyond
    `max_waiting` items it raises StageBusy.
    """

    def __init__(
        self,
        call: Callable[[list[Item]], Awaitable[list[Result]]],
        *,
        max_batch: int,
        work: Callable[[Item], int],
        max_work: int,
        max_waiting: int,
        call_timeout_s: float,
    ) -> None:
        self._call = call
        self._max_batch = max_batch
        self._work = work
        self._max_work = max_work
        self._max_waiting = max_waiting
        self._call_timeout_s = call_timeout_s
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        if len(self._waiting) >= self._max_waiting:
            raise StageBusy(f"{self._max_waiting} queries wait for the DecisionEngine")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None:
            # In a context of its own: Serve would cancel the batch with the request of whoever came first.
            self._sender = asyncio.create_task(self._send(), context=contextvars.Context())
        return await future

    async def _send(self) -> None:
        try:
            while self._waiting:
                count = self._fitting()
                batch = self._waiting[:count]
                del self._waiting[:count]
                await self._send_batch([(item, future) for item, future in batch if not future.done()])
        finally:
            self._sender = None

    def _fitting(self) -> int:
        """How many of those that wait one call may carry."""
        totals = accumulate(self._work(item) for item, _ in self._waiting[: self._max_batch])
        return max(1, sum(total <= self._max_work for total in totals))

    async def _send_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            async with asyncio.timeout(self._call_timeout_s):
                results = await self._call([item for item, _ in batch])
            pairs = list(zip(batch, results, strict=True))
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(
                        error if isinstance(error, Exception) else RuntimeError("the call was cancelled")
                    )
            if isinstance(error, Exception) or not _is_being_cancelled():
                return
            raise
        for (_, future), result in pairs:
            if not future.done():
                future.set_result(result)


def _is_being_cancelled() -> bool:
    """Whether this task itself is to end, rather than a call that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
