import asyncio
from collections.abc import Callable

import orjson
import pytest

from app import errors
from app.completion import Chunk, Prompt, Usage
from app.models.anthropic import AnthropicClient
from tests.fakes.upstream import (
    MESSAGE_ANSWER,
    Behaviour,
    FakeUpstream,
    answer,
    cut_off,
    hang,
    message_fault,
)

PROMPT = Prompt([{"role": "user", "content": "What is the capital of France?"}])
WITH_USAGE = Prompt(PROMPT.messages, {"stream_options": {"include_usage": True}})
Client = Callable[..., AnthropicClient]


async def read(client: AnthropicClient, prompt: Prompt = PROMPT) -> list[Chunk]:
    return [chunk async for chunk in client.stream(prompt)]


async def test_a_whole_answer(make_anthropic: Client, upstream: FakeUpstream) -> None:
    completion = await make_anthropic().complete(PROMPT)
    assert completion.text == "Paris"
    assert completion.usage == Usage(12, 3, 4)
    body = orjson.loads(completion.body)
    assert (body["id"], body["object"], body["model"]) == ("msg_1", "chat.completion", "fake")
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Paris", "refusal": None}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == 15
    (received,) = upstream.received
    assert (received.path, received.headers["authorization"]) == ("/v1/messages", "Bearer sk-ant-test")


async def test_sampling_needs_the_old_version_of_the_api(make_anthropic: Client, upstream: FakeUpstream) -> None:
    await make_anthropic().complete(PROMPT)
    await make_anthropic().complete(Prompt(PROMPT.messages, {"temperature": 0}))
    plain, sampling = upstream.received
    assert plain.headers["anthropic-version"] != "2023-06-01" == sampling.headers["anthropic-version"]
    assert sampling.body["temperature"] == 0


async def test_tool_calls_and_thinking(make_anthropic: Client, upstream: FakeUpstream) -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "sky"}},
    ]
    upstream.behaviours.append(answer({**MESSAGE_ANSWER, "content": content, "stop_reason": "tool_use"}))
    completion = await make_anthropic().complete(PROMPT)
    (made,) = orjson.loads(completion.body)["choices"]
    function = {"name": "look", "arguments": '{"at":"sky"}'}
    assert made["finish_reason"] == "tool_calls"
    assert made["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "t1", "type": "function", "function": function}],
    }


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
async def test_finish_reasons(
    make_anthropic: Client, upstream: FakeUpstream, stop_reason: str | None, finish_reason: str
) -> None:
    upstream.behaviours.append(answer({**MESSAGE_ANSWER, "stop_reason": stop_reason}))
    completion = await make_anthropic().complete(PROMPT)
    assert orjson.loads(completion.body)["choices"][0]["finish_reason"] == finish_reason


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (answer(message_fault("invalid_request_error"), 400), errors.UpstreamRejected),
        (answer(message_fault("authentication_error", "invalid sk-ant-test"), 401), errors.UpstreamUnauthorized),
        (answer(message_fault("rate_limit_error"), 429, {"Retry-After": "3"}), errors.UpstreamRateLimited),
        (answer(message_fault("overloaded_error"), 529), errors.UpstreamUnreachable),
        (answer(b"<html>", 500), errors.UpstreamUnreachable),
        (answer(b"", 302, {"Location": "/elsewhere"}), errors.UpstreamError),
        (cut_off(), errors.UpstreamUnreachable),
    ],
)
async def test_refusals(
    make_anthropic: Client, upstream: FakeUpstream, behaviour: Behaviour, kind: type[errors.UpstreamError]
) -> None:
    upstream.behaviours += [behaviour, behaviour]
    for call in (make_anthropic().complete(PROMPT), read(make_anthropic())):
        with pytest.raises(errors.UpstreamError) as caught:
            await call
        assert type(caught.value) is kind
        assert "sk-ant" not in caught.value.message
        assert caught.value.retry_after_s == (3 if kind is errors.UpstreamRateLimited else None)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (answer(b""), errors.UpstreamInvalidAnswer),
        (answer(b"<html>"), errors.UpstreamInvalidAnswer),
        (answer([]), errors.UpstreamInvalidAnswer),
        (answer({}), errors.UpstreamInvalidAnswer),
        (answer({**MESSAGE_ANSWER, "content": [7]}), errors.UpstreamInvalidAnswer),
        (answer(message_fault("overloaded_error")), errors.UpstreamUnreachable),
        (cut_off(b'{"content": '), errors.UpstreamInvalidAnswer),
    ],
)
async def test_odd_answers(
    make_anthropic: Client, upstream: FakeUpstream, behaviour: Behaviour, kind: type[errors.UpstreamError]
) -> None:
    upstream.behaviours.append(behaviour)
    with pytest.raises(errors.UpstreamError) as caught:
        await make_anthropic().complete(PROMPT)
    assert type(caught.value) is kind


async def test_without_a_key_the_provider_refuses(make_anthropic: Client, upstream: FakeUpstream) -> None:
    upstream.behaviours.append(answer(message_fault("authentication_error"), 401))
    with pytest.raises(errors.UpstreamUnauthorized, match="ANTHROPIC_API_KEY"):
        await make_anthropic(None).complete(PROMPT)


async def test_nobody_listens(make_anthropic: Client) -> None:
    with pytest.raises(errors.UpstreamUnreachable):
        await make_anthropic(base_url="http://127.0.0.1:9").complete(PROMPT)


async def test_a_faulty_request_is_rejected_before_the_call(make_anthropic: Client, upstream: FakeUpstream) -> None:
    for prompt in (Prompt([{"role": "user", "content": "\ud800"}]), Prompt(PROMPT.messages, {"stream_options": 7})):
        with pytest.raises(errors.UpstreamRejected):
            await read(make_anthropic(), prompt)
    assert not upstream.received


async def test_cancelling_stops_the_provider(make_anthropic: Client, upstream: FakeUpstream) -> None:
    for call in (make_anthropic().complete(PROMPT), read(make_anthropic())):
        upstream.left.clear()
        upstream.behaviours.append(hang())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call, 0.1)
        await asyncio.wait_for(upstream.left.wait(), 5)
