"""What an operator asks: is it well, which models are there, and what the metrics say."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api import views
from app.api.failures import failures
from app.api.request import BoundedRoute, admin_only, key
from app.api.schemas import ErrorAnswer, HealthAnswer, ModelsAnswer
from app.chat import ChatService
from app.remembering import Remembering
from app.storage.recorder import Recorder
from app.storage.writer import RecorderStatus

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def operations_routes(
    service: ChatService,
    recorder: Recorder,
    remembering: Remembering,
    scrape: Callable[[], Awaitable[bytes]],
    version: str,
    keys_required: bool,
) -> APIRouter:
    router = service.router
    routes = APIRouter(
        prefix="/api/v1", tags=["operations"], route_class=BoundedRoute, responses=failures(ErrorAnswer, 413)
    )

    @routes.get("/health", response_model=HealthAnswer, summary="Is the router well")
    async def health(request: Request) -> Response:
        """Answers from what is known, without asking anybody: it answers when the others hang.

        Where API keys are required, a request without one is told no more than the status.
        """
        storage, told = recorder.status(), key(request) is not None or not keys_required
        well = len(router.unavailable()) < len(router.catalogue.models) and storage.state == "ok"
        content = {
            "status": "ok" if well else "degraded",
            "version": version if told else None,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "services": _services(service, storage, remembering) if told else {},
        }
        return Response(orjson.dumps(content), media_type="application/json")

    @routes.get("/models", response_model=ModelsAnswer, summary="The catalogue, with what is available")
    async def models() -> Response:
        unavailable = router.unavailable()
        specs, breakers = router.catalogue.models.values(), service.chain.safeguards.breakers
        content = {"models": [views.model(spec, unavailable, breakers) for spec in specs]}
        return Response(orjson.dumps(content), media_type="application/json")

    @routes.get(
        "/metrics",
        summary="Metrics of all replicas in Prometheus text",
        response_class=Response,
        dependencies=[Depends(admin_only)],
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **failures(ErrorAnswer, 403)},
    )
    async def metrics() -> Response:
        return Response(await scrape(), media_type=PROMETHEUS)

    return routes


def _services(service: ChatService, storage: RecorderStatus, remembering: Remembering) -> dict[str, Any]:
    router, chain = service.router, service.chain
    return {
        "models": views.available(list(router.catalogue.models), router.unavailable(), chain.last_success),
        "breakers": views.not_closed(chain.safeguards.breakers),
        "storage": storage,
        "cache": service.caching.status(),
        "classifier": router.classifier,
        "memory": remembering.status(),
    }
