"""Identical streaming requests in flight share one upstream stream."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import aclosing
from typing import Generic, TypeVar

from app.domain import Chunk
from app.memory.cache.flight import SingleFlight

Head = TypeVar("Head")
Chunks = AsyncGenerator[Chunk, None]
Begin = Callable[[], Awaitable[tuple[Head, Chunks]]]


class _Broadcast(Generic[Head]):
    """One upstream stream, kept from its first chunk on for all who read it. Stops when its last reader has left."""

    def __init__(self, head: Head, source: Chunks) -> None:
        self.head = head
        self.over = False
        self._error: Exception | None = None
        self._chunks: list[Chunk] = []
        self._more = asyncio.Event()
        self._readers = 0
        self.task = asyncio.create_task(self._pump(source))

    def reader(self) -> Chunks:
        self._readers += 1
        return self._read()

    async def _read(self) -> Chunks:
        read = 0
        try:
            while True:
                while read < len(self._chunks):
                    yield self._chunks[read]
                    read += 1
                if self.over:
                    break
                await self._more.wait()
            if self._error:
                raise self._error
        finally:
            self._readers -= 1
            if not self._readers:
                self.over = True
                self.task.cancel()

    async def _pump(self, source: Chunks) -> None:
        try:
            async with aclosing(source):
                async for chunk in source:
                    self._chunks.append(chunk)
                    self._wake()
        except Exception as error:
            self._error = error
        finally:
            self.over = True
            self._wake()

    def _wake(self) -> None:
        woken, self._more = self._more, asyncio.Event()
        woken.set()


class StreamFlight(Generic[Head]):
    """In this process alone. `Head` is what is known when a stream begins."""

    def __init__(self) -> None:
        self._begun = SingleFlight[_Broadcast[Head]]()
        self._live: dict[Hashable, _Broadcast[Head]] = {}

    async def share(self, key: Hashable, begin: Begin[Head]) -> tuple[Head, Chunks, bool]:
        """The head, all chunks from the first one on, and whether somebody else's stream gives them.

        The chunks must be closed, or run to their end. An error reaches all readers, after the chunks before it.
        """
        live = self._live.get(key)
        if live and not live.over:
            return live.head, live.reader(), True

        async def start() -> _Broadcast[Head]:
            return _Broadcast(*await begin())

        broadcast, joined = await self._begun.share(key, start)
        chunks = broadcast.reader()
        if not joined and not broadcast.over:
            self._live[key] = broadcast
            broadcast.task.add_done_callback(lambda _: self._forget(key, broadcast))
        return broadcast.head, chunks, joined

    def _forget(self, key: Hashable, broadcast: _Broadcast[Head]) -> None:
        if self._live.get(key) is broadcast:
            del self._live[key]
