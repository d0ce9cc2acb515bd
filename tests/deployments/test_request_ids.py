"""Our API behind Serve's own middleware, with and without the edge before it."""

import os
import re
from collections.abc import AsyncIterator
from unittest.mock import patch

import httpx
import pytest
from fastapi import FastAPI, Request
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.types import ASGIApp

from app.api.request import BoundedRoute, client_request_id, request_id
from deployments.request_ids import EDGE, BehindServe, edge

OWN = "x-llm-router-request-id"


def api() -> FastAPI:
    api = FastAPI()
    api.state.max_body_bytes = 1000
    api.router.route_class = BoundedRoute

    @api.get("/")
    async def ids(request: Request) -> list[str | None]:
        return [request_id(request), client_request_id(request)]

    @api.get("/headers")
    async def headers(request: Request) -> dict[str, str]:
        return dict(request.headers)

    api.add_middleware(BehindServe)
    return api


@pytest.fixture
async def served() -> AsyncIterator[httpx.AsyncClient]:
    with patch.dict(os.environ, EDGE):
        app: ASGIApp = RequestIdMiddleware(api())
        for middleware in edge():
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as http:
            await http.get("/")  # builds the stack of middleware while the environment says so
            yield http


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 201])
async def test_without_an_id_of_the_client_there_is_one_id(served: httpx.AsyncClient, given: str | None) -> None:
    response = await served.get("/", headers={} if given is None else {"x-request-id": given})
    own, client = response.json()
    assert re.fullmatch("[0-9a-f]{32}", own)
    assert client is None
    assert response.headers.get_list("x-request-id") == response.headers.get_list(OWN) == [own]


async def test_a_clients_id_stays_beside_ours(served: httpx.AsyncClient) -> None:
    responses = [await served.get("/", headers={"x-request-id": "again", OWN: "forged"}) for _ in range(2)]
    assert [response.json()[1] for response in responses] == ["again", "again"]
    assert [response.headers.get_list("x-request-id") for response in responses] == [["again"], ["again"]]
    owns = [response.json()[0] for response in responses]
    assert [response.headers.get_list(OWN) for response in responses] == [[own] for own in owns]
    assert len({*owns, "forged"}) == 3


@pytest.mark.parametrize(
    "header",
    [
        "X-Request-Timeout-Seconds",
        "X-Request-Disconnect-Disabled",
        "X-Session-Id",
        "x_session-id",
        "serve_multiplexed_model_id",
        "serve-multiplexed-model-id",
    ],
)
async def test_a_client_cannot_tell_serve_what_to_do(served: httpx.AsyncClient, header: str) -> None:
    assert header.lower() not in (await served.get("/headers", headers={header: b"\xff"})).json()


async def test_without_the_edge_serves_id_counts_as_the_clients() -> None:
    app = RequestIdMiddleware(api())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as http:
        response = await http.get("/", headers={OWN: "forged"})
    own, client = response.json()
    assert own not in (client, "forged")
    assert (response.headers["x-request-id"], response.headers[OWN]) == (client, own)
