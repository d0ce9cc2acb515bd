from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from app.models.anthropic import AnthropicClient
from app.models.catalogue import ModelSpec
from app.models.openai import OpenAIClient, open_session
from tests.fakes.upstream import FakeUpstream, running_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with running_upstream() as fake:
        yield fake


@pytest.fixture
def make_spec() -> Callable[..., ModelSpec]:
    def make(**given: Any) -> ModelSpec:
        usual = {
            "id": "m",
            "provider": "openai",
            "upstream_name": "fake",
            "context_window_tokens": 1000,
            "capabilities": ["chat"],
            "quality_tier": "low",
            "expected_latency_ms": 100,
        }
        return ModelSpec.model_validate(usual | given)

    return make


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
def make_openai(
    upstream: FakeUpstream, session: aiohttp.ClientSession, make_spec: Callable[..., ModelSpec]
) -> Callable[..., OpenAIClient]:
    def make(api_key: str | None = "sk-test-key", **spec: Any) -> OpenAIClient:
        return OpenAIClient(make_spec(**{"base_url": f"{upstream.url}/v1"} | spec), session, api_key)

    return make


@pytest.fixture
async def make_anthropic(
    upstream: FakeUpstream, make_spec: Callable[..., ModelSpec]
) -> AsyncIterator[Callable[..., AnthropicClient]]:
    async with AsyncExitStack() as stack:

        def make(api_key: str | None = "sk-ant-test", **spec: Any) -> AnthropicClient:
            usual = {"provider": "anthropic", "base_url": upstream.url}
            made = AnthropicClient(make_spec(**usual | spec), api_key)
            stack.push_async_callback(made.close)
            return made

        yield make
