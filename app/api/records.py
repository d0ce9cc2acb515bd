"""What is kept of requests: feedback, one request explained, statistics, and the end of a user's data."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from app.api.failures import failures
from app.api.record_schemas import (
    REQUEST_ID,
    DeletedAnswer,
    ExplainAnswer,
    FeedbackAnswer,
    FeedbackBody,
    StatisticsAnswer,
)
from app.api.request import BoundedRoute, admin_only, tenant
from app.api.schemas import ErrorAnswer
from app.errors import InvalidRequest, UnknownRequest
from app.models.catalogue import Catalogue
from app.remembering import Remembering
from app.storage.records import Feedback
from app.storage.store import Store

WINDOW = re.compile(r"([1-9][0-9]{0,4})([mhd])")
UNIT_S = {"m": 60, "h": 3600, "d": 86_400}
RequestId = Annotated[str, Path(description=REQUEST_ID)]
Window = Annotated[
    str,
    Query(
        description="How far back: minutes, hours or days, such as 30m, 24h, 7d.",
        json_schema_extra={"pattern": f"^{WINDOW.pattern}$"},  # documented here, and refused in our own words
    ),
]


def record_routes(store: Store, remembering: Remembering, catalogue: Catalogue) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1",
        tags=["records"],
        route_class=BoundedRoute,
        responses=failures(ErrorAnswer, 403, 404, 413, 422),
    )
    prices = {spec.id: spec.prices_usd_per_million for spec in catalogue.models.values()}
    strongest = catalogue.strongest().id

    @routes.post("/feedback", response_model=FeedbackAnswer, summary="Rate an answer; the last rating wins")
    async def feedback(body: FeedbackBody, request: Request) -> Response:
        given = Feedback(body.request_id, body.rating, body.comment, datetime.now(UTC))
        rated = await store.repository.rate(tenant(request), given)
        if rated is None:
            raise unknown(body.request_id)
        remembering.rated(tenant(request), rated, body.rating)
        return _json({"request_id": rated, "rating": body.rating})

    @routes.get("/requests/{request_id:path}", response_model=ExplainAnswer, summary="One decision explained")
    async def explain(request_id: RequestId, request: Request) -> Response:
        found = await store.repository.explain(tenant(request), request_id)
        if found is None:
            raise unknown(request_id)
        return _json(asdict(found))

    @routes.get(
        "/stats",
        response_model=StatisticsAnswer,
        dependencies=[Depends(admin_only)],
        summary="Traffic, cost and savings in a window of time",
    )
    async def stats(window: Window = "24h") -> Response:
        return _json(asdict(await store.statistics(_window(window), prices, strongest)))

    @routes.delete("/users/{user_id}", response_model=DeletedAnswer, summary="Delete all that is kept of one user")
    async def delete_user(user_id: str, request: Request) -> Response:
        whose = tenant(request), user_id
        deleted = await store.repository.delete_user(*whose)
        return _json({**asdict(deleted), "memories": await remembering.forget_user(*whose)})

    return routes


def unknown(request_id: str) -> UnknownRequest:
    return UnknownRequest(
        f"no request {request_id} is stored for this tenant; take the id from X-LLM-Router-Request-ID, from "
        "routing_metadata, or your own X-Request-ID",
        param="request_id",
    )


def _window(given: str) -> timedelta:
    match = WINDOW.fullmatch(given)
    if match is None:
        raise InvalidRequest(f"window: {given[:20]!r} is not a time; write 30m, 24h or 7d", param="window")
    return timedelta(seconds=int(match[1]) * UNIT_S[match[2]])


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS), media_type="application/json")
