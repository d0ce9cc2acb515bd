"""A stream that has begun."""

import asyncio
from collections.abc import AsyncIterator, Callable

from app.completion import Chunk
from app.errors import UpstreamError, UpstreamInvalidAnswer, UpstreamTimeout

Ended = Callable[[UpstreamError | None], None]


class Begun:
    """The chunks, each awaited no longer than `idle_s`. `ended` is called once, with the error that ended it if any.

    Not a generator: closing one that was never read would not close the call to the provider.
    """

    def __init__(self, model: str, first: Chunk, rest: AsyncIterator[Chunk], idle_s: float, ended: Ended) -> None:
        self._model = model
        self._first: Chunk | None = first
        self._rest = rest
        self._idle_s = idle_s
        self._ended: Ended | None = ended

    def __aiter__(self) -> "Begun":
        return self

    async def __anext__(self) -> Chunk:
        first, self._first = self._first, None
        if first is not None:
            return first
        try:
            async with asyncio.timeout(self._idle_s):
                return await anext(self._rest)
        except StopAsyncIteration:
            self._end()
            raise
        except UpstreamError as error:
            self._end(error)
            raise
        except TimeoutError:
            late = UpstreamTimeout(f"{self._model}: the stream stood still for {self._idle_s:.1f} s")
            self._end(late)
            await self.aclose()
            raise late from None

    async def aclose(self) -> None:
        """Stops the call to the provider."""
        self._first = None
        self._end()
        await _close(self._rest)

    def _end(self, error: UpstreamError | None = None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(error)


async def opened(chunks: AsyncIterator[Chunk]) -> tuple[Chunk, AsyncIterator[Chunk]]:
    """The first chunk, and the others. Raises UpstreamError."""
    try:
        return await anext(chunks), chunks
    except StopAsyncIteration:
        raise UpstreamInvalidAnswer("the stream is empty") from None
    except BaseException:
        await _close(chunks)
        raise


async def _close(chunks: AsyncIterator[Chunk]) -> None:
    """An iterator that is no generator may have nothing to close."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()
