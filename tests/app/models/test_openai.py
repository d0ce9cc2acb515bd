import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest

from app import errors
from app.completion import Chunk, Prompt, Usage
from app.models.openai import OpenAIClient, proxy_for
from tests.fakes.upstream import (
    CHAT_ANSWER,
    Behaviour,
    FakeUpstream,
    answer,
    cut_off,
    hang,
)

PROMPT = Prompt([{"role": "user", "content": "What is the capital of France?"}])
WITH_USAGE = Prompt(PROMPT.messages, {"stream_options": {"include_usage": True}})
Client = Callable[..., OpenAIClient]


async def read(client: OpenAIClient, prompt: Prompt = PROMPT) -> list[Chunk]:
    return [chunk async for chunk in client.stream(prompt)]


async def test_a_whole_answer(make_openai: Client, upstream: FakeUpstream) -> None:
    completion = await make_openai().complete(PROMPT)
    assert completion.text == "Paris"
    assert completion.usage == Usage(12, 3, 4)
    assert completion.body == orjson.dumps(CHAT_ANSWER)
    (received,) = upstream.received
    assert received.body == {"model": "fake", "messages": PROMPT.messages, "stream": False}
    assert received.headers["authorization"] == "Bearer sk-test-key"


async def test_without_a_key_none_is_sent(make_openai: Client, upstream: FakeUpstream) -> None:
    await make_openai(None).complete(PROMPT)
    assert "authorization" not in upstream.received[0].headers


async def test_parameters_pass_unchanged(make_openai: Client, upstream: FakeUpstream) -> None:
    parameters = {"temperature": 0.5, "seed": 1, "unheard_of": [1], "model": "auto", "stream": True}
    await make_openai().complete(Prompt(PROMPT.messages, parameters | {"stream_options": {"include_usage": True}}))
    sent = upstream.received[0].body
    assert sent == {**parameters, "model": "fake", "messages": PROMPT.messages, "stream": False}


async def test_parameters_that_the_model_refuses_are_left_out(make_openai: Client, upstream: FakeUpstream) -> None:
    picky = make_openai(unsupported_parameters=["temperature"])
    await picky.complete(Prompt(PROMPT.messages, {"temperature": 0.5, "seed": 1}))
    assert "temperature" not in upstream.received[0].body
    assert upstream.received[0].body["seed"] == 1


@pytest.mark.parametrize(
    ("provider", "given", "sent"),
    [
        ("openai", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai", {"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 5, "max_completion_tokens": 6}),
        ("openai", {}, {}),
        ("openai-compatible", {"max_tokens": 5}, {"max_tokens": 5}),
    ],
)
async def test_max_tokens_has_a_new_name_at_openai(
    make_openai: Client, upstream: FakeUpstream, provider: str, given: dict[str, int], sent: dict[str, int]
) -> None:
    await make_openai(provider=provider).complete(Prompt(PROMPT.messages, given))
    body = upstream.received[0].body
    assert {key: value for key, value in body.items() if key.startswith("max_")} == sent


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None, "tool_calls": [{"id": "1"}]}, ""),
        ({"content": None, "refusal": "I will not."}, "I will not."),
        ({"content": ""}, ""),
    ],
)
async def test_answers_without_content(make_openai: Client, upstream: FakeUpstream, message: Any, text: str) -> None:
    upstream.behaviours.append(answer({"choices": [{"message": message}]}))
    completion = await make_openai().complete(PROMPT)
    assert completion.text == text
    assert completion.usage == Usage()


def counting(tokens: object) -> Behaviour:
    return answer({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": tokens}})


async def test_a_text_in_parts(make_openai: Client, upstream: FakeUpstream) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Paris"}]
    upstream.behaviours.append(answer({"choices": [{"message": {"content": parts}}]}))
    assert (await make_openai().complete(PROMPT)).text == "Paris"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (answer({"error": {"message": "no"}}, 400), errors.UpstreamRejected),
        (answer({"error": {"message": "no"}}, 401), errors.UpstreamUnauthorized),
        (answer(b"", 429, {"Retry-After": "3"}), errors.UpstreamRateLimited),
        (answer(b"<html>", 500), errors.UpstreamUnreachable),
        (answer(b"", 302, {"Location": "/v1/messages"}), errors.UpstreamError),
        (answer(b""), errors.UpstreamInvalidAnswer),
        (answer(b"<html>"), errors.UpstreamInvalidAnswer),
        (answer([]), errors.UpstreamInvalidAnswer),
        (answer({}), errors.UpstreamInvalidAnswer),
        (answer({"choices": []}), errors.UpstreamInvalidAnswer),
        (answer({"choices": [{}]}), errors.UpstreamInvalidAnswer),
        (answer({"choices": "no"}), errors.UpstreamInvalidAnswer),
        (answer({"choices": [{"message": {"content": "x"}}], "usage": 7}), errors.UpstreamInvalidAnswer),
        (answer({"choices": [{"message": {"content": 42}}]}), errors.UpstreamInvalidAnswer),
        (counting("many"), errors.UpstreamInvalidAnswer),
        (counting(-1), errors.UpstreamInvalidAnswer),
        (counting(1.5), errors.UpstreamInvalidAnswer),
        (counting(2**40), errors.UpstreamInvalidAnswer),
        (answer({"error": {"message": "busy", "code": 503}}), errors.UpstreamUnreachable),
        (cut_off(), errors.UpstreamUnreachable),
        (cut_off(b'{"choices": '), errors.UpstreamInvalidAnswer),
    ],
)
async def test_misbehaviour(
    make_openai: Client, upstream: FakeUpstream, behaviour: Behaviour, kind: type[errors.UpstreamError]
) -> None:
    upstream.behaviours.append(behaviour)
    with pytest.raises(errors.UpstreamError) as caught:
        await make_openai().complete(PROMPT)
    assert type(caught.value) is kind


async def test_retry_after_is_passed_on(make_openai: Client, upstream: FakeUpstream) -> None:
    upstream.behaviours.append(answer(b"", 429, {"Retry-After": "3"}))
    with pytest.raises(errors.UpstreamRateLimited) as caught:
        await make_openai().complete(PROMPT)
    assert caught.value.retry_after_s == 3


async def test_nobody_listens(make_openai: Client) -> None:
    with pytest.raises(errors.UpstreamUnreachable):
        await make_openai(base_url="http://127.0.0.1:9/v1").complete(PROMPT)


async def test_a_lone_surrogate_is_rejected_before_the_call(make_openai: Client, upstream: FakeUpstream) -> None:
    with pytest.raises(errors.UpstreamRejected):
        await make_openai().complete(Prompt([{"role": "user", "content": "\ud800"}]))
    with pytest.raises(errors.UpstreamRejected):
        await read(make_openai(), Prompt(PROMPT.messages, {"stream_options": "yes"}))
    assert not upstream.received


async def test_cancelling_stops_the_provider(make_openai: Client, upstream: FakeUpstream) -> None:
    for call in (make_openai().complete(PROMPT), read(make_openai())):
        upstream.left.clear()
        upstream.behaviours.append(hang())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call, 0.1)
        await asyncio.wait_for(upstream.left.wait(), 5)


async def test_connections_are_used_again(make_openai: Client, session: aiohttp.ClientSession) -> None:
    one = make_openai()
    for _ in range(5):
        await one.complete(PROMPT)
        await read(one)
    assert session.connector is not None
    assert len(session.connector._conns) == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", "http://proxy:3128"),
        ("http://api.example/v1", None),
        ("https://inside.example/v1", None),
    ],
)
def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, url: str, expected: str | None) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert proxy_for(url) == expected
