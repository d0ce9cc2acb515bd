import asyncio
from collections.abc import Callable

import pytest

from app import errors
from app.completion import Chunk, Prompt, Usage
from app.models.openai import OpenAIClient
from tests.fakes.upstream import (
    CHAT_STREAM,
    Behaviour,
    FakeUpstream,
    chat_chunk,
    cut_off,
    hang,
    sse,
    stream,
)

PROMPT = Prompt([{"role": "user", "content": "What is the capital of France?"}])
WITH_USAGE = Prompt(PROMPT.messages, {"stream_options": {"include_usage": True}})
Client = Callable[..., OpenAIClient]
FIRST = sse(chat_chunk("first"))


async def read(client: OpenAIClient, prompt: Prompt = PROMPT) -> list[Chunk]:
    return [chunk async for chunk in client.stream(prompt)]


async def test_a_stream(make_openai: Client, upstream: FakeUpstream) -> None:
    chunks = await read(make_openai(), WITH_USAGE)
    assert "".join(chunk.text for chunk in chunks) == "Paris"
    assert [chunk.usage for chunk in chunks] == [None, None, None, Usage(12, 3, 4)]
    assert sse(*[chunk.data.decode() for chunk in chunks], "[DONE]") == CHAT_STREAM
    assert upstream.received[0].body["stream"] is True


async def test_usage_is_hidden_from_a_caller_who_did_not_ask(make_openai: Client, upstream: FakeUpstream) -> None:
    options = {"include_obfuscation": False}
    chunks = await read(make_openai(), Prompt(PROMPT.messages, {"stream_options": options}))
    assert upstream.received[0].body["stream_options"] == {**options, "include_usage": True}
    assert chunks[-1] == Chunk(data=b"", usage=Usage(12, 3, 4))


async def test_usage_beside_choices_stays(make_openai: Client, upstream: FakeUpstream) -> None:
    upstream.behaviours.append(stream(sse(chat_chunk("a", "stop", usage={"prompt_tokens": 1}))))
    (chunk,) = await read(make_openai())
    assert chunk.usage == Usage(1, 0)
    assert chunk.data


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_a_stream_cut_into_packets(make_openai: Client, upstream: FakeUpstream, size: int) -> None:
    pieces = [CHAT_STREAM[start : start + size] for start in range(0, len(CHAT_STREAM), size)]
    upstream.behaviours.append(stream(*pieces))
    assert "".join(chunk.text for chunk in await read(make_openai())) == "Paris"


async def test_an_event_of_several_lines_becomes_one(make_openai: Client, upstream: FakeUpstream) -> None:
    upstream.behaviours.append(
        stream(b'data: {"choices":\ndata: [{"delta": {"content": "x"}, "finish_reason": "stop"}]}')
    )
    (chunk,) = await read(make_openai())
    assert chunk.text == "x"
    assert b"\n" not in chunk.data


async def test_chunks_are_not_held_back(make_openai: Client, upstream: FakeUpstream) -> None:
    upstream.behaviours.append(hang(sse(chat_chunk("first"))))
    chunks = make_openai().stream(PROMPT)
    assert (await asyncio.wait_for(anext(chunks), 5)).text == "first"
    await chunks.aclose()
    await asyncio.wait_for(upstream.left.wait(), 5)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (stream(FIRST), errors.UpstreamInvalidAnswer),
        (cut_off(FIRST), errors.UpstreamInvalidAnswer),
        (stream(FIRST + b"data: <html>\n\n"), errors.UpstreamInvalidAnswer),
        (stream(FIRST + b"data: [1]\n\n"), errors.UpstreamInvalidAnswer),
        (stream(FIRST + b"data: {}\n\n"), errors.UpstreamInvalidAnswer),
        (stream(FIRST + b'data: {"choices": [7]}\n\n'), errors.UpstreamInvalidAnswer),
        (stream(FIRST + sse({"choices": [{"delta": {"content": 42}}]})), errors.UpstreamInvalidAnswer),
        (stream(FIRST + sse({"choices": [], "usage": {"prompt_tokens": "many"}})), errors.UpstreamInvalidAnswer),
        (stream(FIRST + sse({"error": {"message": "busy", "type": "overloaded_error"}})), errors.UpstreamUnreachable),
        (stream(FIRST + sse({"error": {"message": "slow down", "code": 429}})), errors.UpstreamRateLimited),
    ],
)
async def test_a_stream_that_goes_wrong(
    make_openai: Client, upstream: FakeUpstream, behaviour: Behaviour, kind: type[errors.UpstreamError]
) -> None:
    upstream.behaviours.append(behaviour)
    chunks = make_openai().stream(PROMPT)
    assert (await anext(chunks)).text == "first"
    with pytest.raises(errors.UpstreamError) as caught:
        await anext(chunks)
    assert type(caught.value) is kind


@pytest.mark.parametrize("body", [b"", b": keep-alive\n\n", b"data: [DONE]\n\n", sse({"choices": []}, "[DONE]")])
async def test_an_empty_stream(make_openai: Client, upstream: FakeUpstream, body: bytes) -> None:
    upstream.behaviours.append(stream(body))
    with pytest.raises(errors.UpstreamInvalidAnswer):
        await read(make_openai())


@pytest.mark.parametrize("end", [b"", sse("[DONE]"), b"data: [DONE]"])
async def test_a_finish_reason_or_done_ends_a_stream(make_openai: Client, upstream: FakeUpstream, end: bytes) -> None:
    upstream.behaviours.append(stream(b": hello\r\n\r\n" + sse(chat_chunk("x", "stop" if not end else None)) + end))
    assert [chunk.text for chunk in await read(make_openai())] == ["x"]
