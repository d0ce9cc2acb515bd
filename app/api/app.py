"""The HTTP API as an ordinary FastAPI application, which runs and is tested without Ray."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI

from app.api import errors
from app.api.chat import chat_routes
from app.api.guard import OPENAPI, Guard
from app.api.health import Health
from app.api.openai import openai_routes
from app.api.operations import operations_routes
from app.api.policy import policy_routes
from app.api.records import record_routes
from app.chat import ChatService
from app.keys.ring import KeyRing
from app.remembering import Remembering
from app.storage.store import Store

DESCRIPTION = "One endpoint in front of many language models: each query goes to the cheapest that answers it well."


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API stands on. `scrape` gives the metrics of all replicas as Prometheus text."""

    service: ChatService
    store: Store
    keys: KeyRing
    remembering: Remembering
    scrape: Callable[[], Awaitable[bytes]]


def create_api(
    parts: Parts, *, name: str, max_body_bytes: int, guard: Guard, close: Callable[[], Awaitable[None]]
) -> FastAPI:
    """`close` is awaited when the server shuts down."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await close()

    api = FastAPI(
        title=name,
        version=version("llm-router"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None if guard.keys_required else OPENAPI,
        redirect_slashes=False,  # behind TLS, Location would send the client, and its key, to http://
    )
    api.state.max_body_bytes = max_body_bytes
    errors.install(api, parts.service.turned_away)
    api.include_router(chat_routes(parts.service))
    api.include_router(openai_routes(parts.service))
    api.include_router(record_routes(parts.store, parts.remembering, parts.service.router.catalogue))
    api.include_router(policy_routes(parts.service.router, parts.remembering, parts.store.releases))
    health = Health(parts.service, parts.store.recorder, parts.remembering, api.version)
    api.include_router(operations_routes(health, parts.scrape, keys_required=guard.keys_required))
    guard.install(api, parts.keys)
    return api
