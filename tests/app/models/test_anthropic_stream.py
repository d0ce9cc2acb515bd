import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from app import errors
from app.completion import Chunk, Prompt, Usage
from app.models.anthropic import AnthropicClient
from tests.fakes.upstream import (
    MESSAGE_ANSWER,
    MESSAGE_EVENTS,
    MESSAGE_STREAM,
    Behaviour,
    FakeUpstream,
    answer,
    cut_off,
    hang,
    message_fault,
    sse,
    stream,
)

PROMPT = Prompt([{"role": "user", "content": "What is the capital of France?"}])
WITH_USAGE = Prompt(PROMPT.messages, {"stream_options": {"include_usage": True}})
Client = Callable[..., AnthropicClient]
FIRST = sse(*MESSAGE_EVENTS[:4], named=True)


async def read(client: AnthropicClient, prompt: Prompt = PROMPT) -> list[Chunk]:
    return [chunk async for chunk in client.stream(prompt)]


def choice(chunk: Chunk) -> dict[str, Any]:
    (only,) = orjson.loads(chunk.data)["choices"]
    assert isinstance(only, dict)
    return only


async def test_a_stream(make_anthropic: Client) -> None:
    chunks = await read(make_anthropic(), WITH_USAGE)
    assert [chunk.text for chunk in chunks] == ["Pa", "ris", "", ""]
    assert [choice(chunk)["delta"] for chunk in chunks[:3]] == [
        {"role": "assistant", "content": "Pa"},
        {"content": "ris"},
        {},
    ]
    assert [choice(chunk)["finish_reason"] for chunk in chunks[:3]] == [None, None, "stop"]
    assert {orjson.loads(chunk.data)["id"] for chunk in chunks} == {"msg_1"}
    assert chunks[-1].usage == Usage(12, 3, 4)
    assert orjson.loads(chunks[-1].data)["usage"]["prompt_tokens"] == 12


async def test_usage_is_hidden_from_a_caller_who_did_not_ask(make_anthropic: Client) -> None:
    assert (await read(make_anthropic()))[-1] == Chunk(data=b"", usage=Usage(12, 3, 4))


async def test_tools_and_thinking_in_a_stream(make_anthropic: Client, upstream: FakeUpstream) -> None:
    start, *_, end, stop = MESSAGE_EVENTS
    deltas = [
        (0, {"type": "thinking_delta", "thinking": "Hm."}),
        (0, {"type": "signature_delta", "signature": "x"}),
        (1, {"type": "input_json_delta", "partial_json": ""}),
        (1, {"type": "input_json_delta", "partial_json": '{"at": '}),
        (1, {"type": "input_json_delta", "partial_json": '"sky"}'}),
    ]
    tools = [{"type": "tool_use", "id": f"t{index}", "name": "look", "input": {}} for index in (1, 2)]
    events = [
        start,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_start", "index": 1, "content_block": tools[0]},
        *[{"type": "content_block_delta", "index": index, "delta": delta} for index, delta in deltas],
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": tools[1]},
        {"type": "content_block_stop", "index": 2},
        {**end, "delta": {"stop_reason": "tool_use"}},
        stop,
    ]
    upstream.behaviours.append(stream(sse(*events, named=True)))
    *chunks, last, _ = await read(make_anthropic())
    said = [choice(chunk)["delta"] for chunk in chunks]
    assert [delta["reasoning_content"] for delta in said if "reasoning_content" in delta] == ["Hm."]
    calls = [call for delta in said for call in delta.get("tool_calls", [])]
    for index, (name, arguments) in enumerate([("t1", '{"at": "sky"}'), ("t2", "{}")]):
        assert [call["id"] for call in calls if call["index"] == index and "id" in call] == [name]
        assert "".join(call["function"]["arguments"] for call in calls if call["index"] == index) == arguments
    assert choice(last)["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_a_stream_cut_into_packets(make_anthropic: Client, upstream: FakeUpstream, size: int) -> None:
    pieces = [MESSAGE_STREAM[start : start + size] for start in range(0, len(MESSAGE_STREAM), size)]
    upstream.behaviours.append(stream(*pieces))
    assert "".join(chunk.text for chunk in await read(make_anthropic())) == "Paris"


async def test_chunks_are_not_held_back(make_anthropic: Client, upstream: FakeUpstream) -> None:
    upstream.behaviours.append(hang(FIRST))
    chunks = make_anthropic().stream(PROMPT)
    assert (await asyncio.wait_for(anext(chunks), 5)).text == "Pa"
    await chunks.aclose()
    await asyncio.wait_for(upstream.left.wait(), 5)


def number_for_a_text() -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 42}}


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (stream(FIRST), errors.UpstreamInvalidAnswer),
        (cut_off(FIRST), errors.UpstreamInvalidAnswer),
        (stream(FIRST + b"event: content_block_delta\ndata: <html>\n\n"), errors.UpstreamInvalidAnswer),
        (stream(FIRST + b"event: content_block_delta\ndata: [1]\n\n"), errors.UpstreamInvalidAnswer),
        (stream(FIRST + sse({"type": "content_block_delta"}, named=True)), errors.UpstreamInvalidAnswer),
        (stream(FIRST + sse(number_for_a_text(), named=True)), errors.UpstreamInvalidAnswer),
        (stream(FIRST + sse(message_fault("overloaded_error"), named=True)), errors.UpstreamUnreachable),
        (stream(FIRST + sse(message_fault("rate_limit_error"), named=True)), errors.UpstreamRateLimited),
        (stream(FIRST + b"event: error\ndata: gone\n\n"), errors.UpstreamUnreachable),
    ],
)
async def test_a_stream_that_goes_wrong(
    make_anthropic: Client, upstream: FakeUpstream, behaviour: Behaviour, kind: type[errors.UpstreamError]
) -> None:
    upstream.behaviours.append(behaviour)
    chunks = make_anthropic().stream(PROMPT)
    assert (await anext(chunks)).text == "Pa"
    with pytest.raises(errors.UpstreamError) as caught:
        await anext(chunks)
    assert type(caught.value) is kind


@pytest.mark.parametrize("behaviour", [stream(b""), answer(MESSAGE_ANSWER)])
async def test_an_empty_stream(make_anthropic: Client, upstream: FakeUpstream, behaviour: Behaviour) -> None:
    upstream.behaviours.append(behaviour)
    with pytest.raises(errors.UpstreamInvalidAnswer):
        await read(make_anthropic())
