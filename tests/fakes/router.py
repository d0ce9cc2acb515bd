"""The whole router without Ray: shipped configuration and real clients; the provider and the local model are fakes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from app.api.app import create_api
from app.chat import ChatService
from app.models.availability import Availability
from app.models.catalogue import Catalogue, ModelSpec
from app.models.clients import build_clients
from app.models.fallback import FallbackChain
from app.models.openai import open_session
from app.paths import project_path
from app.routing.decide import QuickDecider
from app.routing.features import TextFeaturesReader
from app.routing.rules import RuleBook
from app.routing.tokens import TokenCounter
from app.routing.weights import Policy
from tests.fakes.local import FakeLocalBackend
from tests.fakes.upstream import FakeUpstream, running_upstream

KEYS = {"STRONG_KEY": "sk-strong-0123456789", "MEDIUM_KEY": "sk-medium-0123456789"}


def shipped_policy() -> Policy:
    config = yaml.safe_load(project_path("serve_config.yaml").read_text())
    return Policy.read(config["applications"][0]["deployments"][0]["user_config"], "serve_config.yaml")


def catalogue(url: str) -> Catalogue:
    """A local model, two behind `url`, and one whose key is missing."""
    usual: dict[str, Any] = {"expected_latency_ms": 1000, "capabilities": ["chat", "stream"]}
    everything = ["chat", "stream", "tools", "vision", "json"]
    specs = [
        {
            "id": "small",
            "provider": "local",
            "quality_tier": "low",
            "context_window_tokens": 500,
            "prices_usd_per_million": {"input": 0, "output": 0},
        },
        {
            "id": "medium",
            "provider": "openai",
            "base_url": f"{url}/v1",
            "key_variable": "MEDIUM_KEY",
            "quality_tier": "medium",
            "context_window_tokens": 8000,
            "capabilities": everything,
            "prices_usd_per_million": {"input": 1, "output": 2},
        },
        {
            "id": "strong",
            "provider": "anthropic",
            "base_url": url,
            "key_variable": "STRONG_KEY",
            "quality_tier": "high",
            "context_window_tokens": 9000,
            "strengths": ["coding", "analytical"],
            "prices_usd_per_million": {"input": 10, "output": 50},
        },
        {"id": "keyless", "provider": "openai", "quality_tier": "high", "context_window_tokens": 9000},
    ]
    parsed = [ModelSpec.model_validate({"upstream_name": spec["id"], **usual, **spec}) for spec in specs]
    return Catalogue({spec.id: spec for spec in parsed})


@dataclass
class FakeRouter:
    http: httpx.AsyncClient
    service: ChatService
    upstream: FakeUpstream
    local: FakeLocalBackend


@asynccontextmanager
async def running_router(tokenizer: Path, *, max_retries: int = 0, timeout_s: float = 5.0) -> AsyncIterator[FakeRouter]:
    async with running_upstream() as upstream, open_session() as session:
        models, local = catalogue(upstream.url), FakeLocalBackend()
        clients = build_clients(models, KEYS, session, local)
        service = ChatService(
            catalogue=models,
            features=TextFeaturesReader.from_files(tokenizer, project_path("configs/text_features.yaml")),
            tokens=TokenCounter.read(tokenizer),
            quick=QuickDecider(models, RuleBook.read(project_path("configs/rules.yaml"), models)),
            engine=None,
            chain=FallbackChain(clients, timeout_s=timeout_s, max_retries=max_retries),
            unavailable=Availability(models, KEYS, local).unavailable,
        )
        service.policy = shipped_policy()
        api = create_api(service, name="llm-router", max_body_bytes=1_000_000)
        transport = httpx.ASGITransport(api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://router") as http:
            yield FakeRouter(http, service, upstream, local)
        for client in clients.values():
            await client.close()
