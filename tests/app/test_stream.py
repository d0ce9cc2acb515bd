"""The end of a streamed answer is recorded once, however it comes about."""

import asyncio

import pytest

from app.completion import Prompt
from app.errors import UpstreamTimeout
from app.models.fallback import FallbackChain
from app.stream import RecordedChunks
from tests.fakes.model import FakeModel, Hang, Item
from tests.fakes.safeguards import safeguards


async def begun(*script: Item) -> tuple[RecordedChunks, FakeModel, list[BaseException | None]]:
    model, ends = FakeModel(script), list[BaseException | None]()
    chain = FallbackChain({"m": model}, safeguards(["m"]), timeout_s=5, max_retries=0)
    streaming = await chain.stream(["m"], Prompt([]))
    return RecordedChunks(streaming.chunks, lambda _text, _usage, error: ends.append(error)), model, ends


async def test_a_whole_answer_ends_without_an_error() -> None:
    chunks, _, ends = await begun("a", "b")
    assert [chunk.text async for chunk in chunks] == ["a", "b"]
    await chunks.aclose()
    assert ends == [None]


async def test_an_error_of_the_provider_is_the_end() -> None:
    error = UpstreamTimeout("slow")
    chunks, _, ends = await begun("a", error)
    with pytest.raises(UpstreamTimeout):
        [chunk async for chunk in chunks]
    await chunks.aclose()
    assert ends == [error]


@pytest.mark.parametrize("read", [0, 1])
async def test_a_reader_that_leaves_stops_the_provider_even_before_the_first_chunk(read: int) -> None:
    chunks, model, ends = await begun("a", "b", Hang())
    for _ in range(read):
        await anext(chunks)
    await chunks.aclose()
    assert model.left == 1
    assert [type(error) for error in ends] == [asyncio.CancelledError]
