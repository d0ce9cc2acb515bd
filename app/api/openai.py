"""POST /v1/chat/completions and GET /v1/models: OpenAI's format, so that any client of theirs works unchanged."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from app.api import document, errors, views
from app.api.bodies import CompletionBody
from app.api.failures import failures
from app.api.request import BoundedRoute, client_request_id, no_store, request_id, tenant, tier
from app.api.schemas import CompletionAnswer, CompletionErrorAnswer, CompletionModels
from app.api.streaming import EventStream
from app.ask import AUTO, Ask
from app.chat import ChatService, StreamedAnswer
from app.completion import Prompt
from app.domain import Capability, Limits
from app.errors import InvalidRequest
from app.observability.labels import Endpoint

LIMITS = ("max_cost_usd", "quality_floor", "max_latency_ms")
OWN_FIELDS = {"messages", "model", "stream", "user_tier", "cache", *LIMITS}
PATH = "/v1/chat/completions"
OWNER = {"object": "model", "created": 0, "owned_by": "llm-router"}


def openai_routes(service: ChatService) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["openai"], route_class=BoundedRoute)

    @routes.post(
        "/chat/completions",
        summary="Chat completion in OpenAI's format",
        response_model=CompletionAnswer,
        responses={200: document.answer("Chunks in OpenAI's format."), **failures(CompletionErrorAnswer)},
    )
    async def completions(body: CompletionBody, request: Request) -> Response:
        raw = await request.json()
        ask = _ask(body, raw, request)
        if body.stream:
            streamed = await service.stream(ask)
            return EventStream(_events(streamed), streamed, views.headers(streamed))
        answer = await service.answer(ask)
        return Response(answer.completion.body, 200, views.headers(answer), "application/json")

    @routes.get(
        "/models",
        summary="The catalogue in OpenAI's format",
        response_model=CompletionModels,
        responses=failures(CompletionErrorAnswer, 413),
    )
    async def models() -> Response:
        data = [{"id": id_, **OWNER} for id_ in (AUTO, *service.router.catalogue.models)]
        return Response(orjson.dumps({"object": "list", "data": data}), media_type="application/json")

    return routes


def _ask(body: CompletionBody, raw: dict[str, Any], request: Request) -> Ask:
    """`raw` goes to the model as it came; `body` is only what routing has to understand."""
    texts = [_text(message.content) for message in body.messages]
    asked = [i for i, message in enumerate(body.messages) if message.role == "user" and texts[i].strip()]
    if not asked and body.model == AUTO:
        raise InvalidRequest(
            "no user message with text: there is nothing to route by; add one, or name a model", param="messages"
        )
    return Ask(
        request_id=request_id(request),
        client_request_id=client_request_id(request),
        tenant=tenant(request),
        traceparent=request.headers.get("traceparent"),
        endpoint=Endpoint.COMPLETIONS,
        no_store=not body.cache or no_store(request),
        text=texts.pop(asked[-1]) if asked else "",
        context_text="\n".join(texts) + _written(body.tools),
        prompt=Prompt(raw["messages"], {key: value for key, value in raw.items() if key not in OWN_FIELDS}),
        user_id=body.user or "anonymous",
        tier=tier(request, body.user_tier),
        model=body.model,
        needs=_needs(body),
        max_output_tokens=body.max_completion_tokens or body.max_tokens,
        limits=Limits(body.max_cost_usd, body.quality_floor, body.max_latency_ms),
    )


def _written(tools: list[dict[str, Any]] | None) -> str:
    try:
        return orjson.dumps(tools).decode() if tools else ""
    except TypeError as error:
        raise InvalidRequest(
            f"tools: cannot be written as JSON again: {error}; nest them less", param="tools"
        ) from None


def _needs(body: CompletionBody) -> frozenset[Capability]:
    needs = set()
    if body.stream:
        needs.add(Capability.STREAM)
    if body.tools:
        needs.add(Capability.TOOLS)
    if body.response_format and body.response_format.get("type") in ("json_object", "json_schema"):
        needs.add(Capability.JSON)
    if any(
        part.get("type") == "image_url"
        for message in body.messages
        if isinstance(message.content, list)
        for part in message.content
    ):
        needs.add(Capability.VISION)
    return frozenset(needs)


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


async def _events(answer: StreamedAnswer) -> AsyncGenerator[bytes, None]:
    """Chunks as the model sends them. An error after the first chunk is a `data:` line with an error object."""
    try:
        async with aclosing(answer.chunks) as chunks:
            async for chunk in chunks:
                if chunk.data:
                    yield b"data: %s\n\n" % chunk.data
    except Exception as error:
        id_ = answer.decision.request_id
        ours = errors.public(error, id_)
        body = errors.error_body(PATH, ours.status, ours.code, ours.message, ours.param, id_)
        yield b"data: %s\n\n" % orjson.dumps(body)
        return
    yield b"data: [DONE]\n\n"
