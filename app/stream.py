"""A streamed answer whose end is recorded, however it comes about."""

import asyncio
from collections.abc import Callable

from app.completion import Chunk, Usage
from app.memory.cache.assemble import Assembler
from app.models.client import Chunks

Ended = Callable[[str, Usage, BaseException | None], None]


class RecordedChunks:
    """The chunks of an answer. `ended` is called once, at the end, at an error, or when the reader leaves.

    It gets the text, unless that is not to be kept, and the usage so far. `listener` hears every chunk.

    Not a generator: closing one that was never read would not close the call to the provider.
    """

    def __init__(
        self, chunks: Chunks, ended: Ended, listener: Assembler | None = None, *, keeps_text: bool = True
    ) -> None:
        self._keeps_text = keeps_text
        self._chunks = chunks
        self._ended: Ended | None = ended
        self._listener = listener
        self._text: list[str] = []
        self._usage = Usage()

    def __aiter__(self) -> "RecordedChunks":
        return self

    async def __anext__(self) -> Chunk:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise
        if self._keeps_text:
            self._text.append(chunk.text)
        if self._listener is not None:
            self._listener.add(chunk)
        self._usage = chunk.usage or self._usage
        return chunk

    async def aclose(self) -> None:
        """Stops the call to the provider. Before the end it means that the reader has left."""
        self._end(asyncio.CancelledError())
        await self._chunks.aclose()

    def _end(self, error: BaseException | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended("".join(self._text), self._usage, error)
