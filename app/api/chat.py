"""POST /api/v1/chat and /api/v1/route: the router's own format."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from app.api import document, errors, views
from app.api.bodies import ChatBody, RouteBody
from app.api.failures import failures
from app.api.request import BoundedRoute, client_request_id, no_store, request_id, tenant, tier
from app.api.schemas import ChatAnswer, ErrorAnswer, RouteAnswer
from app.api.streaming import EventStream
from app.ask import Ask
from app.chat import ChatService, StreamedAnswer
from app.completion import Prompt, Usage
from app.domain import Capability, Limits
from app.observability.labels import Endpoint

EVENTS = "Events decision, delta, usage, error."


def chat_routes(service: ChatService) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["chat"], route_class=BoundedRoute, responses=failures(ErrorAnswer))

    @routes.post("/chat", response_model=ChatAnswer, responses={200: document.answer(EVENTS)}, summary="Ask a question")
    async def chat(body: ChatBody, request: Request) -> Response:
        ask = replace(
            _ask(body, request, Endpoint.CHAT, stream=body.stream), no_store=not body.cache or no_store(request)
        )
        if body.stream:
            streamed = await service.stream(ask)
            return EventStream(_events(service, streamed), streamed, views.headers(streamed))
        answer = await service.answer(ask)
        return Response(orjson.dumps(views.chat_answer(answer)), 200, views.headers(answer), "application/json")

    @routes.post(
        "/route",
        response_model=RouteAnswer,
        responses={200: {"headers": document.headers(document.OF_DECISIONS)}},
        summary="See the decision, without calling a model",
    )
    async def route(body: RouteBody, request: Request) -> Response:
        started = perf_counter()
        query, decision = await service.decide(_ask(body, request, Endpoint.ROUTE, stream=False))
        headers = views.decision_headers(decision, decision.model, (perf_counter() - started) * 1000)
        return Response(orjson.dumps(views.route_answer(query, decision)), 200, headers, "application/json")

    return routes


def _ask(body: RouteBody, request: Request, endpoint: Endpoint, *, stream: bool) -> Ask:
    if isinstance(body.context, str):
        before = [{"role": "system", "content": body.context}] if body.context.strip() else []
    else:
        before = [message.model_dump() for message in body.context or ()]
    messages = [*before, {"role": "user", "content": body.query}]
    return Ask(
        request_id=request_id(request),
        client_request_id=client_request_id(request),
        tenant=tenant(request),
        traceparent=request.headers.get("traceparent"),
        endpoint=endpoint,
        text=body.query,
        context_text="\n".join(message["content"] for message in before),
        prompt=Prompt(messages),
        user_id=body.user_id,
        tier=tier(request, body.user_tier),
        model=body.model,
        needs=frozenset({Capability.STREAM}) if stream else frozenset(),
        limits=Limits(body.max_cost_usd, body.quality_floor, body.max_latency_ms),
    )


async def _events(service: ChatService, answer: StreamedAnswer) -> AsyncGenerator[bytes, None]:
    """The decision, the text as it comes, the usage. An error after the first chunk is an event of its own."""
    usage = Usage()
    try:
        async with aclosing(answer.chunks) as chunks:
            yield _event("decision", {"model_used": answer.model, "routing_metadata": views.routing_metadata(answer)})
            async for chunk in chunks:
                usage = chunk.usage or usage
                if chunk.text:
                    yield _event("delta", {"text": chunk.text})
    except Exception as error:
        id_ = answer.decision.request_id
        ours = errors.public(error, id_)
        yield _event("error", errors.error_body("", ours.status, ours.code, ours.message, ours.param, id_))
        return
    latency_ms = round((perf_counter() - answer.started) * 1000, 2)
    cost = 0.0 if answer.free else service.cost_usd(answer.model, usage)
    yield _event("usage", {**views.usage(usage, cost), "latency_ms": latency_ms})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))
