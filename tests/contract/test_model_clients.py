"""Our clients and the official SDKs get the same answers from a real server."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import orjson
import pytest

from app.completion import Chunk, Prompt, Usage
from app.errors import UpstreamError, UpstreamRejected
from app.models.anthropic import AnthropicClient
from app.models.catalogue import ModelSpec
from app.models.client import ModelClient
from app.models.openai import OpenAIClient, open_session

pytestmark = pytest.mark.integration

MESSAGES: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Name three colours of the rainbow."},
]
SHORT = {"max_tokens": 12, "temperature": 0}
LONG = {"max_tokens": 60, "temperature": 0}
KEY = "not-needed"


def spec(provider: str, url: str) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": "llama",
            "provider": provider,
            "upstream_name": "smollm2",
            "base_url": url,
            "context_window_tokens": 2048,
            "capabilities": ["chat", "stream"],
            "quality_tier": "low",
            "expected_latency_ms": 1000,
        }
    )


@pytest.fixture
async def ours_openai(vllm_url: str) -> AsyncIterator[OpenAIClient]:
    async with open_session() as session:
        yield OpenAIClient(spec("openai-compatible", f"{vllm_url}/v1"), session, KEY)


@pytest.fixture
async def ours_anthropic(vllm_url: str) -> AsyncIterator[AnthropicClient]:
    client = AnthropicClient(spec("anthropic", vllm_url), KEY)
    yield client
    await client.close()


@pytest.fixture(params=["ours_openai", "ours_anthropic"])
def client(request: pytest.FixtureRequest) -> ModelClient:
    made: ModelClient = request.getfixturevalue(request.param)
    return made


@pytest.mark.parametrize("parameters", [SHORT, LONG])
async def test_the_same_answer_as_the_openai_sdk(
    vllm_url: str, ours_openai: OpenAIClient, parameters: dict[str, Any]
) -> None:
    async with openai.AsyncOpenAI(base_url=f"{vllm_url}/v1", api_key=KEY, max_retries=0) as sdk:
        theirs = await sdk.chat.completions.create(model="smollm2", messages=MESSAGES, **parameters)
    ours = await ours_openai.complete(Prompt(MESSAGES, parameters))
    assert theirs.usage is not None
    assert ours.text == theirs.choices[0].message.content
    assert ours.usage == Usage(theirs.usage.prompt_tokens, theirs.usage.completion_tokens, _cached(theirs.usage))
    assert _finish_reason(ours.body) == theirs.choices[0].finish_reason


@pytest.mark.parametrize("parameters", [SHORT, LONG])
async def test_the_same_answer_as_the_anthropic_sdk(
    vllm_url: str, ours_anthropic: AnthropicClient, parameters: dict[str, Any]
) -> None:
    async with anthropic.AsyncAnthropic(base_url=vllm_url, api_key=KEY, max_retries=0) as sdk:
        theirs = await sdk.messages.create(
            model="smollm2",
            system=MESSAGES[0]["content"],
            messages=[{"role": "user", "content": MESSAGES[1]["content"]}],
            max_tokens=parameters["max_tokens"],
            extra_body={"temperature": 0},
        )
    ours = await ours_anthropic.complete(Prompt(MESSAGES, parameters))
    assert ours.text == "".join(block.text for block in theirs.content if block.type == "text")
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (
        theirs.usage.input_tokens + (theirs.usage.cache_read_input_tokens or 0),
        theirs.usage.output_tokens,
    )
    assert _finish_reason(ours.body) == {"max_tokens": "length", "end_turn": "stop"}[str(theirs.stop_reason)]


@pytest.mark.parametrize("parameters", [SHORT, LONG])
async def test_a_stream_adds_up_to_the_whole_answer(client: ModelClient, parameters: dict[str, Any]) -> None:
    whole = await client.complete(Prompt(MESSAGES, parameters))
    wanted = {**parameters, "stream_options": {"include_usage": True}}
    chunks = [chunk async for chunk in client.stream(Prompt(MESSAGES, wanted))]
    assert len(chunks) > 5
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert _counted(chunks[-1].usage) == _counted(whole.usage)
    assert _finish_reasons(chunks) == [_finish_reason(whole.body)]
    assert len({orjson.loads(chunk.data)["id"] for chunk in chunks}) == 1


async def test_usage_comes_unasked_but_unseen(client: ModelClient) -> None:
    chunks = [chunk async for chunk in client.stream(Prompt(MESSAGES, SHORT))]
    assert chunks[-1].data == b""
    assert chunks[-1].usage is not None


async def test_a_prompt_that_is_too_long_is_rejected(client: ModelClient) -> None:
    secret = "The password is swordfish. " * 1000
    prompt = Prompt([{"role": "user", "content": secret}], SHORT)
    with pytest.raises(UpstreamRejected) as caught:
        await client.complete(prompt)
    assert "swordfish" not in caught.value.message
    with pytest.raises(UpstreamError):
        await anext(aiter(client.stream(prompt)))


async def test_leaving_a_stream_frees_the_server(client: ModelClient, vllm_url: str) -> None:
    chunks = client.stream(Prompt(MESSAGES, {"max_tokens": 1900, "temperature": 1, "ignore_eos": True}))
    await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]
    for _ in range(50):
        running = await asyncio.to_thread(_running, vllm_url)
        if not running:
            break
        await asyncio.sleep(0.2)
    assert running == 0, "vLLM went on with an answer that nobody reads"


def _running(url: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running"))


def _cached(usage: Any) -> int:
    return (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0


def _counted(usage: Usage | None) -> tuple[int, int] | None:
    """Without the cached tokens: the second call finds more in the server's cache than the first."""
    return None if usage is None else (usage.input_tokens, usage.output_tokens)


def _finish_reason(body: bytes) -> str:
    return str(orjson.loads(body)["choices"][0]["finish_reason"])


def _finish_reasons(chunks: list[Chunk]) -> list[str]:
    choices = [choice for chunk in chunks for choice in orjson.loads(chunk.data)["choices"]]
    return [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
