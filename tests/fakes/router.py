"""The whole router without Ray: shipped configuration and real clients; the provider and the local model are fakes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import yaml
from fastapi import FastAPI
from prometheus_client import generate_latest

from app.api.app import Parts, create_api
from app.api.guard import Guard
from app.caching import Caching
from app.chat import ChatService
from app.domain import Decision
from app.keys.ring import KeyRing
from app.memory.cache.answers import AnswerCache
from app.memory.cache.build import CacheConfig, open_caches
from app.memory.cache.guard_words import GuardConfig
from app.memory.history.retriever import Retriever
from app.models.availability import Availability
from app.models.breaker import Breakers
from app.models.catalogue import Catalogue, ModelSpec
from app.models.clients import build_clients
from app.models.concurrency import Concurrency
from app.models.fallback import FallbackChain
from app.models.latencies import Latencies
from app.models.openai import open_session
from app.models.retry_budget import RetryBudget
from app.models.safeguards import Safeguards
from app.observability.metrics import Metrics
from app.observability.tracing import NoTracer, Tracer
from app.paths import project_path
from app.recording import Recording
from app.routing.decide import Classifier, DecisionEngine, Embedder
from app.routing.features import TextFeaturesReader
from app.routing.quick import QuickDecider
from app.routing.router import Router
from app.routing.rules import RuleBook
from app.routing.scored import DecisionRequest
from app.routing.tokens import TokenCounter
from app.routing.weights import Policy
from app.storage.store import Store, StoreSettings
from app.storage.text_policy import TextPolicy
from app.yaml_file import read_yaml
from tests.fakes.local import FakeLocalBackend
from tests.fakes.memory import LocalMemory, make_remembering
from tests.fakes.upstream import FakeUpstream, running_upstream

BREAKER_THRESHOLD = 3
NO_TRACER = NoTracer()
OPEN = Guard()
NO_SEMANTIC_CACHE = CacheConfig(semantic=False)
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
    app: FastAPI
    http: httpx.AsyncClient
    service: ChatService
    upstream: FakeUpstream
    local: FakeLocalBackend
    store: Store


def make_router(
    models: Catalogue,
    tokenizer: Path,
    local: FakeLocalBackend,
    breakers: Breakers,
    embedder: Embedder | None = None,
    classifier: Classifier | None = None,
    retriever: Retriever | None = None,
) -> Router:
    """With an embedder, the DecisionEngine takes part, in this process."""
    memory = LocalMemory(retriever) if retriever else None
    engine = DecisionEngine(models, shipped_policy(), embedder=embedder, classifier=classifier, memory=memory)

    async def decide(request: DecisionRequest) -> Decision:
        (decision,) = await engine.decide([request])
        return decision

    router = Router(
        catalogue=models,
        features=TextFeaturesReader.from_files(tokenizer, project_path("configs/text_features.yaml")),
        tokens=TokenCounter.read(tokenizer),
        quick=QuickDecider(models, RuleBook.read(project_path("configs/rules.yaml"), models)),
        engine=decide if embedder else None,
        unavailable=Availability(models, KEYS, local, breakers).unavailable,
        latencies=Latencies(models, local.in_flight),
    )
    router.policy = shipped_policy()
    return router


def in_process_cache(config: CacheConfig) -> AnswerCache:
    guards = read_yaml(project_path("configs/cache_guards.yaml"), GuardConfig)
    return open_caches(config, guards, redis_url=None, detect=lambda _: "en")


@asynccontextmanager
async def running_store(folder: Path) -> AsyncIterator[Store]:
    """On a SQLite file in `folder`."""
    settings = StoreSettings(f"sqlite:///{folder}/router.db", 2, 1.0, folder / "spool", 10, 90)
    store = await Store.open(settings)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def running_router(
    tokenizer: Path,
    *,
    max_retries: int = 0,
    timeout_s: float = 5.0,
    embedder: Embedder | None = None,
    classifier: Classifier | None = None,
    retriever: Retriever | None = None,
    cache: CacheConfig = NO_SEMANTIC_CACHE,
    tracer: Tracer = NO_TRACER,
    guard: Guard = OPEN,
) -> AsyncIterator[FakeRouter]:
    with TemporaryDirectory() as folder:
        async with running_upstream() as upstream, open_session() as session, running_store(Path(folder)) as store:
            models, local = catalogue(upstream.url), FakeLocalBackend()
            clients = build_clients(models, KEYS, session, local)
            breakers = Breakers(clients, threshold=BREAKER_THRESHOLD)
            safeguards = Safeguards(breakers, Concurrency.of(models), RetryBudget())
            chain = FallbackChain(clients, safeguards, timeout_s=timeout_s, max_retries=max_retries)
            metrics = Metrics(models.models)
            remembering = make_remembering(retriever, metrics)
            prices = models.strongest().prices_usd_per_million
            recording = Recording(metrics, store.recorder, remembering, TextPolicy.FULL, prices)
            caching = Caching(in_process_cache(cache), metrics)
            deciding = make_router(models, tokenizer, local, breakers, embedder, classifier, retriever)
            service = ChatService(deciding, chain, recording, caching, tracer)

            async def scrape() -> bytes:
                return generate_latest(metrics.registry)

            keys = KeyRing(store.keys)

            async def close() -> None:
                await keys.close()
                for client in clients.values():
                    await client.close()
                await remembering.close()

            parts = Parts(service, store, keys, remembering, scrape)
            api = create_api(parts, name="llm-router", max_body_bytes=1_000_000, guard=guard, close=close)
            transport = httpx.ASGITransport(api, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://router") as http:
                yield FakeRouter(api, http, service, upstream, local, store)
            await close()
