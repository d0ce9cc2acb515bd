"""The HTTP API as an ordinary FastAPI application, which runs and is tested without Ray."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from app.api import errors
from app.api.chat import chat_routes
from app.api.openai import openai_routes
from app.api.operations import operations_routes
from app.chat import ChatService

DESCRIPTION = "One endpoint in front of many language models: each query goes to the cheapest that answers it well."


def create_api(
    service: ChatService, *, name: str, max_body_bytes: int, close: Callable[[], Awaitable[None]] | None = None
) -> FastAPI:
    """`close` is awaited when the server shuts down."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if close is not None:
            await close()

    api = FastAPI(title=name, version=version("llm-router"), description=DESCRIPTION, lifespan=lifespan)
    api.state.max_body_bytes = max_body_bytes
    errors.install(api)
    api.include_router(chat_routes(service))
    api.include_router(openai_routes(service))
    api.include_router(operations_routes(service, api.version))
    return api
