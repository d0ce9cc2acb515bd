"""Identical requests in flight share one upstream call."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Future[T]
    waiters: int = 0


class SingleFlight(Generic[T]):
    """In this process alone: two replicas may still ask the same at the same time."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def share(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The result of `work`, and whether somebody else's call gave it.

        The work runs in a task of its own: a waiter that leaves does not stop it, the last one to leave does. An error
        reaches all who wait, and is not kept for those who come later.
        """
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(work()))
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task), joined
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._forget(key, flight.task)
                flight.task.cancel()

    def _landed(self, key: Hashable, task: asyncio.Future[T]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # marks it as seen: those who waited for it may all have gone

    def _forget(self, key: Hashable, task: asyncio.Future[T]) -> None:
        if (flight := self._flights.get(key)) and flight.task is task:
            del self._flights[key]
