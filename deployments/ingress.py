"""Ingress: the HTTP API on a Serve replica."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.app import create_api
from app.artifacts.llama import llama_path
from app.chat import ChatService
from app.domain import Decision
from app.models.availability import Availability
from app.models.catalogue import Catalogue
from app.models.client import ModelClient
from app.models.clients import build_clients
from app.models.fallback import FallbackChain
from app.models.openai import open_session
from app.observability import logging
from app.paths import project_path
from app.routing.decide import DecisionRequest, QuickDecider
from app.routing.features import TextFeaturesReader
from app.routing.rules import RuleBook
from app.routing.tokens import TokenCounter
from app.settings import environment, read_settings
from deployments.args import RouterArgs
from deployments.decision_engine import reload_policy
from deployments.gather import Gather
from deployments.handles import answer_of
from deployments.llama_backend import LlamaBackend

MAX_BATCH = 32
CALL_TIMEOUT_S = 2.0
BYTES_A_MB = 1_000_000


class WithoutRequestId:
    """Takes out the X-Request-ID of our answers: Serve adds the same one, and twice is wrong."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [header for header in message["headers"] if header[0] != b"x-request-id"]
            await send(message)

        await self._app(scope, receive, send_without)


@serve.ingress()
class Ingress:
    """Builds the service once its loop runs; `reconfigure` gives it its policy, at start and at each reload."""

    def __init__(self, args: RouterArgs, catalogue: Catalogue, engine: DeploymentHandle[Any]) -> None:
        self._args = args
        self._settings = read_settings()
        logging.configure(self._settings)
        self._catalogue = catalogue
        self._engine = engine

    async def __serve_build_asgi_app__(self) -> FastAPI:
        backend = LlamaBackend(self._args.llama_application)
        backend.start()
        session = open_session()
        clients = build_clients(self._catalogue, environment(), session, backend)
        self._service = self._build_service(clients, backend)

        async def close() -> None:
            for client in clients.values():
                await client.close()
            await session.close()
            backend.stop()

        max_body_bytes = int(self._args.max_body_mb * BYTES_A_MB)
        api = create_api(self._service, name=self._settings.app_name, max_body_bytes=max_body_bytes, close=close)
        api.add_middleware(WithoutRequestId)
        return api

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        self._service.policy = reload_policy("Ingress", user_config, self._service.policy)

    def _build_service(self, clients: Mapping[str, ModelClient], backend: LlamaBackend) -> ChatService:
        args, settings = self._args, self._settings
        tokenizer = llama_path() / "tokenizer.json"
        return ChatService(
            catalogue=self._catalogue,
            features=TextFeaturesReader.from_files(tokenizer, project_path(args.text_features)),
            tokens=TokenCounter.read(tokenizer),
            quick=QuickDecider(self._catalogue, RuleBook.read(project_path(args.rules), self._catalogue)),
            engine=Gather(self._decide, max_batch=MAX_BATCH, call_timeout_s=CALL_TIMEOUT_S)
            if settings.enable_ml_routing
            else None,
            chain=FallbackChain(clients, timeout_s=settings.request_timeout, max_retries=settings.max_retries),
            unavailable=Availability(self._catalogue, environment(), backend).unavailable,
        )

    async def _decide(self, requests: list[DecisionRequest]) -> list[Decision]:
        decisions: list[Decision] = await answer_of(self._engine.decide.remote(requests))
        return decisions
