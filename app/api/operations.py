"""What an operator asks: is it well, which models are there, and what the metrics say."""

from collections.abc import Awaitable, Callable

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api import views
from app.api.failures import failures
from app.api.health import Health
from app.api.request import BoundedRoute, admin_only, key
from app.api.schemas import ErrorAnswer, HealthAnswer, ModelsAnswer
from app.chat import ChatService

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def operations_routes(known: Health, scrape: Callable[[], Awaitable[bytes]], *, keys_required: bool) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1", tags=["operations"], route_class=BoundedRoute, responses=failures(ErrorAnswer, 413)
    )
    metrics_responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **failures(ErrorAnswer, 403)}

    @routes.get("/health", response_model=HealthAnswer, summary="Is the router well")
    async def health(request: Request) -> Response:
        """Answers from what is known, without asking anybody: it answers when the others hang.

        Where API keys are required, a request without one is told no more than the status.
        """
        content = known.answer(whole=key(request) is not None or not keys_required)
        return Response(orjson.dumps(content), media_type="application/json")

    @routes.get("/models", response_model=ModelsAnswer, summary="The catalogue, with what is available")
    async def models() -> Response:
        return Response(orjson.dumps({"models": _models(known.service)}), media_type="application/json")

    @routes.get(
        "/metrics",
        summary="Metrics of all replicas in Prometheus text",
        response_class=Response,
        dependencies=[Depends(admin_only)],
        responses=metrics_responses,
    )
    async def metrics() -> Response:
        return Response(await scrape(), media_type=PROMETHEUS)

    return routes


def _models(service: ChatService) -> list[dict[str, object]]:
    unavailable, breakers = service.router.unavailable(), service.chain.safeguards.breakers
    return [views.model(spec, unavailable, breakers) for spec in service.router.catalogue.models.values()]
