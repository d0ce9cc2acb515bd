"""Ingress: the HTTP API on a Serve replica."""

import asyncio
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.api.app import Parts, create_api
from app.api.guard import Guard
from app.artifacts.llama import llama_path
from app.caching import Caching
from app.chat import ChatService
from app.domain import Decision
from app.errors import MetricsUnavailable
from app.keys.ring import KeyRing
from app.memory.cache.answers import AnswerCache
from app.memory.cache.build import open_caches
from app.memory.cache.guard_words import GuardConfig
from app.memory.history.feed import MemoryFeed
from app.models.availability import Availability
from app.models.breaker import Breakers
from app.models.catalogue import Catalogue
from app.models.client import ModelClient
from app.models.clients import build_clients
from app.models.concurrency import Concurrency
from app.models.fallback import FallbackChain
from app.models.latencies import Latencies
from app.models.openai import open_session
from app.models.retry_budget import RetryBudget
from app.models.safeguards import Safeguards
from app.observability import logging
from app.observability.exposition import Snapshot
from app.observability.memory_metrics import MemoryMetrics
from app.observability.metrics import Metrics
from app.observability.tracing import Tracer, build_tracer
from app.observability.upstream_metrics import UpstreamMetrics
from app.paths import project_path
from app.recording import Recording
from app.remembering import Remembering
from app.routing.features import TextFeaturesConfig, TextFeaturesReader
from app.routing.quick import QuickDecider
from app.routing.router import Router
from app.routing.rules import RuleBook
from app.routing.scored import DecisionRequest
from app.routing.tokens import TokenCounter
from app.settings import check_production, environment, read_settings
from app.storage.store import Store, StoreSettings
from app.yaml_file import read_yaml
from deployments.args import RouterArgs
from deployments.decision_engine import reload_policy
from deployments.garbage import collect_less
from deployments.gather import Gather
from deployments.handles import answer_of
from deployments.llama_backend import LlamaBackend
from deployments.metrics import Measured
from deployments.request_ids import BehindServe
from deployments.retriever_handle import RetrieverHandle
from deployments.shared_breakers import SharedBreakers

MAX_BATCH = 32
# Characters that the stages read in one batch, which is what they take time for: some 120 ms, half of what the
# embedding is given. A larger batch of long queries would be late as a whole. Of each query the embedding reads the
# first 256 word pieces, which are about 1,024 characters.
MAX_BATCH_TEXT, MAX_TEXT = 5_000, 1_024
MAX_WAITING = 512  # for the DecisionEngine; what is more would wait in vain
CALL_TIMEOUT_S = 2.0
BYTES_A_MB = 1_000_000
SCRAPE_TIMEOUT_S = 8.0


@serve.ingress()
class Ingress(Measured):
    """Builds the service once its loop runs; `reconfigure` gives it its policy, at start and at each reload."""

    def __init__(
        self,
        args: RouterArgs,
        catalogue: Catalogue,
        engine: DeploymentHandle[Any],
        retriever: DeploymentHandle[Any],
        keeper: DeploymentHandle[Any],
    ) -> None:
        collect_less()
        self._args = args
        self._settings = read_settings()
        check_production(self._settings)
        logging.configure(self._settings)
        self._catalogue = catalogue
        self._engine = engine
        self._retriever = RetrieverHandle(retriever)
        self._keeper = keeper
        self.metrics = Metrics(catalogue.models)

    async def __serve_build_asgi_app__(self) -> FastAPI:
        backend = LlamaBackend(self._args.llama_application)
        backend.start()
        session = open_session()
        clients = build_clients(self._catalogue, environment(), session, backend)
        store = await Store.open(self._store_settings())
        keys = KeyRing(store.keys)
        tracer = build_tracer(environment(), version("llm-router"))
        self._remembering = self._open_remembering()
        service = self._build_service(backend, clients, store, tracer)

        async def close() -> None:
            backend.stop()
            for client in clients.values():
                await client.close()
            await session.close()
            await self._shared_breakers.close()
            await self._caching.close()
            await self._remembering.close()
            await keys.close()
            await store.close()
            await asyncio.to_thread(tracer.close)

        settings, max_body_bytes = self._settings, int(self._args.max_body_mb * BYTES_A_MB)
        parts = Parts(service, store, keys, self._remembering, self._scrape)
        guard = Guard(settings.production, settings.trusted_hosts or ("*",), settings.tls_in_front)
        api = create_api(parts, name=settings.app_name, max_body_bytes=max_body_bytes, guard=guard, close=close)
        api.add_middleware(BehindServe)
        return api

    async def metrics_snapshot(self) -> Snapshot:
        self._kept.show_spool()
        self._caching.show_errors()
        self._remembering.show_dropped()
        self._upstream_metrics.show()
        for model, state in self._safeguards.breakers.states().items():
            self.metrics.breaker_state(model, state)
        return await super().metrics_snapshot()

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        policy = reload_policy("Ingress", user_config, self._router.policy)
        self._router.policy = policy
        self.metrics.build_info(version("llm-router"), policy.version, None)

    def _build_service(
        self, backend: LlamaBackend, clients: Mapping[str, ModelClient], store: Store, tracer: Tracer
    ) -> ChatService:
        features, settings = self._features_reader(), self._settings
        breakers = Breakers(clients, threshold=settings.circuit_breaker_threshold, config=self._args.breaker)
        budget = RetryBudget(self._args.retries)
        self._shared_breakers = SharedBreakers(breakers, self._catalogue, settings.redis_url)
        self._safeguards = Safeguards(breakers, Concurrency.of(self._catalogue), budget)
        self._upstream_metrics = UpstreamMetrics(self.metrics.registry, self._safeguards)
        self._router = self._build_router(backend, features)
        timeout_s, max_retries = settings.request_timeout, settings.max_retries
        chain = FallbackChain(clients, self._safeguards, timeout_s=timeout_s, max_retries=max_retries)
        cache = self._open_caches(features.language.detect) if settings.enable_caching else None
        self._kept = self._recording(store)
        self._caching = Caching(cache, self.metrics)
        return ChatService(self._router, chain, self._kept, self._caching, tracer)

    def _features_reader(self) -> TextFeaturesReader:
        tokens = TokenCounter.read(llama_path() / "tokenizer.json")
        return TextFeaturesReader(tokens, read_yaml(project_path(self._args.text_features), TextFeaturesConfig))

    def _build_router(self, backend: LlamaBackend, features: TextFeaturesReader) -> Router:
        args = self._args
        gather = Gather(
            self._decide,
            max_batch=MAX_BATCH,
            work=_text_read,
            max_work=MAX_BATCH_TEXT,
            max_waiting=MAX_WAITING,
            call_timeout_s=CALL_TIMEOUT_S,
        )
        return Router(
            catalogue=self._catalogue,
            features=features,
            tokens=features.tokens,
            quick=QuickDecider(self._catalogue, RuleBook.read(project_path(args.rules), self._catalogue)),
            engine=gather if self._settings.enable_ml_routing else None,
            unavailable=Availability(self._catalogue, environment(), backend, self._safeguards.breakers).unavailable,
            latencies=Latencies(self._catalogue, backend.in_flight),
        )

    def _store_settings(self) -> StoreSettings:
        args = self._args.storage
        return StoreSettings(
            url=self._settings.database_url,
            pool_size=args.pool_size,
            commit_timeout_s=args.commit_timeout_s,
            spool_folder=project_path(args.spool_folder),
            spool_max_mb=args.spool_max_mb,
            retention_days=args.retention_days,
        )

    def _open_caches(self, detect: Callable[[str], str]) -> AnswerCache:
        guards = read_yaml(project_path("configs/cache_guards.yaml"), GuardConfig)
        return open_caches(self._args.cache, guards, redis_url=self._settings.redis_url, detect=detect)

    def _open_remembering(self) -> Remembering:
        settings, feed = self._settings, None
        if settings.enable_ml_routing and settings.enable_rag_routing:
            feed = MemoryFeed(self._retriever.remember)
            feed.start()
        return Remembering(feed, self._retriever.forget, MemoryMetrics(self.metrics.registry))

    def _recording(self, store: Store) -> Recording:
        strongest = self._catalogue.strongest().prices_usd_per_million
        return Recording(self.metrics, store.recorder, self._remembering, self._settings.store_text, strongest)

    async def _scrape(self) -> bytes:
        """Raises MetricsUnavailable: half of the totals would look like a fall."""
        try:
            async with asyncio.timeout(SCRAPE_TIMEOUT_S):
                text: bytes = await answer_of(self._keeper.scrape.remote())
        except (TimeoutError, RayError, RayServeException) as error:
            raise MetricsUnavailable("the metrics cannot be added up now; scrape again") from error
        return text

    async def _decide(self, requests: list[DecisionRequest]) -> list[Decision]:
        decisions: list[Decision] = await answer_of(self._engine.decide.remote(requests))
        return decisions


def _text_read(request: DecisionRequest) -> int:
    return min(len(request.query.text), MAX_TEXT)
