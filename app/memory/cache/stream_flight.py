"""Identical streaming requests in flight share one upstream stream."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import aclosing
from typing import Generic, TypeVar

from app.completion import Chunk
from app.memory.cache.flight import SingleFlight
from app.models.client import Chunks

Head = TypeVar("Head")
Begin = Callable[[], Awaitable[tuple[Head, Chunks]]]


class _Broadcast(Generic[Head]):
    """One upstream stream, kept from its first chunk on for all who read it. Stops when its last reader has left."""

    def __init__(self, head: Head, source: Chunks) -> None:
        self.head = head
        self.over = False
        self.error: Exception | None = None
        self.chunks: list[Chunk] = []
        self.task = asyncio.create_task(self._pump(source))
        self._more = asyncio.Event()
        self._readers = 0

    def reader(self) -> "_Reader":
        self._readers += 1
        return _Reader(self)

    async def more(self) -> None:
        await self._more.wait()

    def left(self) -> None:
        """A reader goes."""
        self._readers -= 1
        if not self._readers:
            self.over = True
            self.task.cancel()

    async def _pump(self, source: Chunks) -> None:
        try:
            async with aclosing(source):
                async for chunk in source:
                    self.chunks.append(chunk)
                    self._wake()
        except Exception as error:
            self.error = error
        finally:
            self.over = True
            self._wake()

    def _wake(self) -> None:
        woken, self._more = self._more, asyncio.Event()
        woken.set()


class _Reader:
    """Not a generator: closing one that was never read would not count its reader out."""

    def __init__(self, broadcast: "_Broadcast[Head]") -> None:
        self._broadcast = broadcast
        self._read = 0
        self._closed = False

    def __aiter__(self) -> "_Reader":
        return self

    async def __anext__(self) -> Chunk:
        source = self._broadcast
        while self._read == len(source.chunks) and not self._closed:
            if source.over:
                raise source.error or StopAsyncIteration
            await source.more()
        if self._closed:
            raise StopAsyncIteration
        self._read += 1
        return source.chunks[self._read - 1]

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._broadcast.left()


class StreamFlight(Generic[Head]):
    """In this process alone. `Head` is what is known when a stream begins."""

    def __init__(self) -> None:
        self._begun = SingleFlight[_Broadcast[Head]]()
        self._live: dict[Hashable, _Broadcast[Head]] = {}

    async def share(self, key: Hashable, begin: Begin[Head]) -> tuple[Head, Chunks, bool]:
        """The head, all chunks from the first one on, and whether somebody else's stream gives them.

        The chunks must be closed. An error reaches all readers, after the chunks before it.
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
