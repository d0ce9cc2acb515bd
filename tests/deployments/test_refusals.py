"""What Serve answers in plain text becomes JSON; what the API answers stays as it is."""

from collections.abc import Mapping

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.refusals import Refusals

ID = "x-llm-router-request-id"


async def ask(path: str, status: int, headers: Mapping[str, str]) -> httpx.Response:
    api = FastAPI()

    @api.get(path)
    async def answer() -> Response:
        return PlainTextResponse("Request dropped due to backpressure", status, headers)

    app: ASGIApp = Refusals(api, ID.encode())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as http:
        return await http.get(path, headers={ID: "own"})


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (429, "overloaded"), (503, "unavailable"), (500, "internal_error")]
)
async def test_a_refusal_of_serve_has_our_shape(status: int, code: str) -> None:
    response = await ask("/api/v1/chat", status, {"retry-after": "7"})
    assert response.status_code == status
    assert (response.headers["retry-after"], response.headers[ID]) == ("7", "own")
    assert response.json()["error"].keys() == {"code", "message", "param", "request_id"}
    assert (response.json()["error"]["code"], response.json()["error"]["request_id"]) == (code, "own")


async def test_it_has_openais_shape_there_and_always_says_when_to_come_back() -> None:
    response = await ask("/v1/chat/completions", 429, {})
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(("path", "status"), [("/-/healthz", 503), ("/api/v1/metrics", 200)])
async def test_other_plain_text_stays(path: str, status: int) -> None:
    response = await ask(path, status, {})
    assert response.text == "Request dropped due to backpressure"


async def test_in_parts_and_without_a_type_it_is_still_one_answer() -> None:
    async def serve(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b"no ", "more_body": True})
        await send({"type": "http.response.body", "body": b"replica"})

    transport = httpx.ASGITransport(Refusals(serve, ID.encode()))
    async with httpx.AsyncClient(transport=transport, base_url="http://router") as http:
        response = await http.get("/api/v1/models")
    assert response.json()["error"]["code"] == "unavailable"
    assert int(response.headers["content-length"]) == len(response.content)
