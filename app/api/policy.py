"""What decides now: the live version of each part, and the record of what was published."""

import asyncio
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Response

from app.api.failures import failures
from app.api.policy_schemas import PolicyAnswer
from app.api.request import BoundedRoute, admin_only
from app.api.schemas import ErrorAnswer
from app.errors import RouterError
from app.remembering import Remembering
from app.routing.router import Router
from app.storage.releases import Part, Release, Releases

SHOWN = 5  # releases of each part
ANSWER_WITHIN_S = 1.0


def policy_routes(router: Router, remembering: Remembering, releases: Releases) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1",
        tags=["operations"],
        route_class=BoundedRoute,
        dependencies=[Depends(admin_only)],
        responses=failures(ErrorAnswer, 403, 413),
    )

    @routes.get("/policy", response_model=PolicyAnswer, summary="The live version of each part")
    async def policy() -> Response:
        """Of the replica that answers. A database that is down costs only `releases`."""
        found, missing = await _releases(releases)
        content = {
            "weights": _weights(router),
            "classifier": asdict(router.classifier),
            "memory": asdict(remembering.status()),
            "releases": found,
            "releases_missing": missing,
        }
        return Response(orjson.dumps(content), media_type="application/json")

    return routes


def _weights(router: Router) -> dict[str, Any] | None:
    if router.policy is None:
        return None
    return {"version": router.policy.version, "tiers": router.policy.model_dump(mode="json")["weights"]}


async def _releases(releases: Releases) -> tuple[dict[str, list[dict[str, Any]]] | None, str | None]:
    """By part, and why there are none."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return {str(part): [_view(one) for one in await releases.history(part, SHOWN)] for part in Part}, None
    except RouterError as error:
        return None, error.message
    except TimeoutError:
        return None, f"the database gave no answer within {ANSWER_WITHIN_S:g} s"


def _view(release: Release) -> dict[str, Any]:
    return {
        "sequence": release.sequence,
        "version": release.version,
        "state": release.state,
        "created_at": release.created_at,
        "settled_at": release.settled_at,
        "lineage": release.lineage,
    }
