"""What an operator asks: is it well, and which models are there."""

from datetime import UTC, datetime

import orjson
from fastapi import APIRouter, Response

from app.api import views
from app.api.schemas import HealthAnswer, ModelsAnswer
from app.chat import ChatService


def operations_routes(service: ChatService, version: str) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["operations"])

    @routes.get("/health", response_model=HealthAnswer, summary="Is the router well")
    async def health() -> Response:
        unavailable = service.unavailable()
        models = service.catalogue.models
        content = {
            "status": "ok" if len(unavailable) < len(models) else "degraded",
            "version": version,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "services": {"models": views.available(list(models), unavailable)},
        }
        return Response(orjson.dumps(content), media_type="application/json")

    @routes.get("/models", response_model=ModelsAnswer, summary="The catalogue, with what is available")
    async def models() -> Response:
        unavailable = service.unavailable()
        content = {"models": [views.model(spec, unavailable) for spec in service.catalogue.models.values()]}
        return Response(orjson.dumps(content), media_type="application/json")

    return routes
