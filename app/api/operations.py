"""What an operator asks: is it well, which models are there, and what the metrics say."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, Response

from app.api import views
from app.api.schemas import HealthAnswer, ModelsAnswer
from app.chat import ChatService
from app.remembering import Remembering
from app.storage.recorder import Recorder

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def operations_routes(
    service: ChatService,
    recorder: Recorder,
    remembering: Remembering,
    scrape: Callable[[], Awaitable[bytes]],
    version: str,
) -> APIRouter:
    router = service.router
    routes = APIRouter(prefix="/api/v1", tags=["operations"])

    @routes.get("/health", response_model=HealthAnswer, summary="Is the router well")
    async def health() -> Response:
        """Answers from what is known, without asking anybody: it answers when the others hang."""
        unavailable, models = router.unavailable(), router.catalogue.models
        storage = recorder.status()
        well = len(unavailable) < len(models) and storage.state == "ok"
        services: dict[str, Any] = {
            "models": views.available(list(models), unavailable, service.chain.last_success),
            "storage": storage,
            "cache": service.caching.status(),
            "classifier": router.classifier,
            "memory": remembering.status(),
        }
        content = {
            "status": "ok" if well else "degraded",
            "version": version,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "services": services,
        }
        return Response(orjson.dumps(content), media_type="application/json")

    @routes.get("/models", response_model=ModelsAnswer, summary="The catalogue, with what is available")
    async def models() -> Response:
        unavailable = router.unavailable()
        content = {"models": [views.model(spec, unavailable) for spec in router.catalogue.models.values()]}
        return Response(orjson.dumps(content), media_type="application/json")

    @routes.get("/metrics", summary="Metrics of all replicas in Prometheus text", response_class=Response)
    async def metrics() -> Response:
        return Response(await scrape(), media_type=PROMETHEUS)

    return routes
