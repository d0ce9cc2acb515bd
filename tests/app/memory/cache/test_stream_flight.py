import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from app.completion import Chunk
from app.memory.cache.stream_flight import StreamFlight
from app.models.client import Chunks


class Upstream:
    """Two chunks, then it waits to be told its end."""

    def __init__(self) -> None:
        self.begun = self.left = 0
        self.end = asyncio.Event()
        self.error: Exception | None = None

    async def begin(self) -> tuple[str, Chunks]:
        self.begun += 1
        await asyncio.sleep(0)
        return "head", self._chunks()

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        try:
            yield Chunk(b"1", "a")
            yield Chunk(b"2", "b")
            await self.end.wait()
            if self.error:
                raise self.error
            yield Chunk(b"3", "c")
        except (asyncio.CancelledError, GeneratorExit):
            self.left += 1
            raise


async def text(chunks: Chunks) -> str:
    async with aclosing(chunks):
        return "".join([chunk.text async for chunk in chunks])


async def test_all_get_every_chunk_of_one_stream() -> None:
    flights, upstream = StreamFlight[str](), Upstream()
    shared = await asyncio.gather(*(flights.share("key", upstream.begin) for _ in range(3)))
    await asyncio.sleep(0.01)
    late = await flights.share("key", upstream.begin)
    upstream.end.set()

    texts = await asyncio.gather(*(text(chunks) for _, chunks, _ in (*shared, late)))

    assert texts == ["abc"] * 4
    assert upstream.begun == 1
    assert [(head, joined) for head, _, joined in (*shared, late)] == [("head", False), *[("head", True)] * 3]


async def test_the_first_one_leaving_does_not_stop_the_others() -> None:
    flights, upstream = StreamFlight[str](), Upstream()
    (_, first, _), (_, second, _) = await asyncio.gather(*(flights.share("key", upstream.begin) for _ in range(2)))

    assert (await anext(first)).text == "a"
    await first.aclose()
    upstream.end.set()

    assert await text(second) == "abc"
    assert upstream.left == 0


async def test_the_last_one_leaving_stops_the_stream() -> None:
    flights, upstream = StreamFlight[str](), Upstream()
    _, chunks, _ = await flights.share("key", upstream.begin)
    await anext(chunks)

    await chunks.aclose()
    await asyncio.sleep(0.01)

    assert upstream.left == 1


async def test_leaving_before_the_first_chunk_counts() -> None:
    flights, upstream = StreamFlight[str](), Upstream()
    shared = await asyncio.gather(*(flights.share("key", upstream.begin) for _ in range(2)))

    for _, chunks, _ in shared:
        await chunks.aclose()
        await chunks.aclose()
    await asyncio.sleep(0.01)

    assert (upstream.begun, await text(shared[0][1])) == (1, "")


async def test_who_comes_after_the_end_starts_anew() -> None:
    flights, upstream = StreamFlight[str](), Upstream()
    upstream.end.set()

    for _ in range(2):
        _, chunks, joined = await flights.share("key", upstream.begin)
        assert (await text(chunks), joined) == ("abc", False)

    assert upstream.begun == 2


async def test_an_error_reaches_all_after_the_chunks_before_it() -> None:
    flights, upstream = StreamFlight[str](), Upstream()
    shared = await asyncio.gather(*(flights.share("key", upstream.begin) for _ in range(2)))
    upstream.error = ValueError("cut off")
    upstream.end.set()

    for _, chunks, _ in shared:
        assert [(await anext(chunks)).text, (await anext(chunks)).text] == ["a", "b"]
        with pytest.raises(ValueError, match="cut off"):
            await anext(chunks)


async def test_a_stream_that_does_not_begin_is_an_error_for_all() -> None:
    async def refuse() -> tuple[str, Chunks]:
        await asyncio.sleep(0)
        raise ValueError("no")

    flights = StreamFlight[str]()

    results = await asyncio.gather(*(flights.share("key", refuse) for _ in range(2)), return_exceptions=True)

    assert [type(result) for result in results] == [ValueError] * 2
