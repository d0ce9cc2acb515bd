"""The OpenAPI document: what FastAPI does not find out by itself, namely keys, and the headers of answers."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from app.api.access import HEALTH

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


# By header, its type and what it says.
ON_ALL = {
    "X-Request-ID": ("string", "Your own X-Request-ID when you sent a good one, else the router's id."),
    "X-LLM-Router-Request-ID": ("string", "The router's id of the request."),
}
BY_STATUS = {
    "401": {"WWW-Authenticate": ("string", "Bearer.")},
    "429": {"Retry-After": ("integer", "Seconds.")},
    "503": {"Retry-After": ("integer", "Seconds.")},
}
OF_DECISIONS = {
    "X-LLM-Router-Model": ("string", "The model that answers."),
    "X-LLM-Router-Cause": ("string", "What decided, as in routing_metadata."),
    "X-LLM-Router-Overhead-Ms": ("number", "What the router itself took, in milliseconds."),
}
TEXT = {"type": "string"}
FROM_CACHE = {
    "X-LLM-Router-Cache": ("string", "exact or semantic, where a cache answers."),
    "X-LLM-Router-Cache-Similarity": ("number", "Of the queries, where they are not the same."),
    "Age": ("integer", "Of an answer from a cache, in seconds."),
}


def headers(described: Mapping[str, tuple[str, str]], *, required: bool = True) -> dict[str, Any]:
    return {
        name: {"description": description, "schema": {"type": kind}, "required": required}
        for name, (kind, description) in described.items()
    }


def answer(described: str) -> dict[str, Any]:
    """The success of an endpoint that also streams; `described` says what."""
    event = {"type": "object", "properties": {"event": TEXT, "data": TEXT}, "required": ["data"]}
    stream = {"text/event-stream": {"itemSchema": {**event, "description": described}}}
    return {"content": stream, "headers": headers(OF_DECISIONS) | headers(FROM_CACHE, required=False)}


def make(api: FastAPI, *, keys_required: bool) -> dict[str, Any]:
    """The document, made once."""
    if not api.openapi_schema:
        made = FastAPI.openapi(api)
        either: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
        made["security"] = either if keys_required else [*either, {}]
        made["components"]["securitySchemes"] = SCHEMES
        made["paths"][HEALTH]["get"]["security"] = [*either, {}]
        for operation in (one for path in made["paths"].values() for one in path.values()):
            for status, response in operation["responses"].items():
                usual = headers(ON_ALL | BY_STATUS.get(status, {}))
                response["headers"] = usual | response.get("headers", {})
        api.openapi_schema = made
    return api.openapi_schema
