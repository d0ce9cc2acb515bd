"""The short way to a handler answers as FastAPI's own does, whatever is sent."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute

from app.api.bodies import RouteBody
from app.api.quick import QuickRoute

JSON = {"content-type": "application/json"}
GOOD = b'{"query": "hello", "user_id": "ann"}'


def routes(prefix: str, kind: type[APIRoute], reached: list[str]) -> APIRouter:
    router = APIRouter(prefix=prefix, route_class=kind)

    @router.post("/ask")
    async def ask(body: RouteBody, request: Request) -> Response:
        reached.append(request.url.path)
        return Response(body.model_dump_json(), 201, {"x-seen": request.headers["content-type"]})

    @router.get("/plain")
    async def plain(word: str = "none") -> dict[str, Any]:
        return {"word": word}

    return router


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (GOOD, JSON),
        (GOOD, {"content-type": "application/json; charset=utf-8"}),
        (GOOD, {"content-type": "text/plain"}),
        (b'{"query": "", "user_id": "ann"}', JSON),
        (b'{"query": "hello", "user_id": "ann", "what": 1}', JSON),
        (b'{"query": 7}', JSON),
        (b"null", JSON),
        (b"[]", JSON),
        (b"", JSON),
        (b'{"query": ', JSON),
        (b"\xff", JSON),
    ],
)
async def test_both_ways_give_one_answer(body: bytes, headers: dict[str, str]) -> None:
    api, reached = FastAPI(), list[str]()
    api.include_router(routes("/long", APIRoute, reached))
    api.include_router(routes("/short", QuickRoute, reached))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://router") as http:
        long, short = [await http.post(f"/{way}/ask", content=body, headers=headers) for way in ("long", "short")]
        assert (await http.get("/short/plain?word=x")).json() == {"word": "x"}
    assert (long.status_code, long.content, long.headers) == (short.status_code, short.content, short.headers)
    assert reached in ([], ["/long/ask", "/short/ask"])
