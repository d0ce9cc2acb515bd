"""One place where errors become answers: ours in `/api`, OpenAI's shape in `/v1`."""

import logging
from collections.abc import Callable
from math import ceil
from traceback import extract_tb
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.api.request import id_headers, request_id
from app.errors import (
    BodyTooLarge,
    Forbidden,
    HeadersTooLarge,
    InvalidRequest,
    RouterError,
    Unauthorized,
    UntrustedHost,
)

logger = logging.getLogger(__name__)
AT_THE_DOOR = (
    InvalidRequest,
    BodyTooLarge,
    Unauthorized,
    Forbidden,
    HeadersTooLarge,
    UntrustedHost,
)  # no query was seen
DEFAULT_RETRY_AFTER_S = 1.0  # when a provider says "too many requests" and not until when


def install(api: FastAPI, turned_away: Callable[[str, str], None]) -> None:
    """Registers the handlers. Whatever goes wrong, the answer is JSON of one of the two shapes.

    `turned_away` hears the path and the code of an error that came before the router saw a query.
    """
    api.state.turned_away = turned_away
    api.add_exception_handler(RouterError, _router_error)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(HTTPException, _http_error)


def error_body(path: str, status: int, code: str, message: str, param: str | None, id_: str) -> dict[str, Any]:
    """The body of an error in the shape that `path` speaks."""
    if _speaks_openai(path):
        kind = "invalid_request_error" if status < 500 else "api_error"
        return {"error": {"message": message, "type": kind, "param": param, "code": code, "request_id": id_}}
    return {"error": {"code": code, "message": message, "param": param, "request_id": id_}}


def public(error: Exception, id_: str) -> RouterError:
    """`error` itself when it is one of ours; otherwise one that tells nothing of the inside.

    The log gets the place and not the message, which may quote the prompt.
    """
    if isinstance(error, RouterError):
        return error
    where = " <- ".join(
        f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in reversed(extract_tb(error.__traceback__))
    )
    logger.error("request %s: unexpected %s in %s", id_, type(error).__name__, where)
    return RouterError("the router failed on this request; the log has it under its request id")


def _speaks_openai(path: str) -> bool:
    return path.startswith("/v1/")


def _answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = orjson.dumps(error_body(request.url.path, status, code, message, param, request_id(request)))
    return Response(body, status, {**id_headers(request), **(headers or {})}, "application/json")


async def _router_error(request: Request, error: Exception) -> Response:
    return answer(request, public(error, request_id(request)))


def answer(request: Request, ours: RouterError) -> Response:
    wait_s = DEFAULT_RETRY_AFTER_S if ours.retry_after_s is None else ours.retry_after_s
    headers = {"retry-after": str(ceil(wait_s))} if ours.status in (429, 503) else {}
    if ours.status == 401:
        headers = {"www-authenticate": "Bearer"}
    if type(ours) in AT_THE_DOOR:
        request.app.state.turned_away(request.url.path, ours.code)
    param = "messages" if ours.param == "query" and _speaks_openai(request.url.path) else ours.param
    return _answer(request, ours.status, ours.code, ours.message, param, headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    request.app.state.turned_away(request.url.path, InvalidRequest.code)
    first = error.errors()[0]
    location = [str(part) for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return _answer(request, 400, "invalid_json", f"the body is not valid JSON: {reason}; send a JSON object")
    param = ".".join(location) or None
    status = 400 if _speaks_openai(request.url.path) else 422
    message = f"{param or 'body'}: {first['msg'].removeprefix('Value error, ')}"
    return _answer(request, status, "invalid_request", message, param)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = f"{error.detail}: {request.method} {request.url.path}; /openapi.json lists what there is"
    return _answer(request, error.status_code, code, message, headers=dict(error.headers or {}))
