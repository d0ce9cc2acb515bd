"""The errors that endpoints may give, for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

MEANINGS = {
    400: "The body is not JSON, X-Tenant-ID is malformed, the host is not trusted, the query is longer than every "
    "context window, or no model may take it.",
    401: "The API key is missing, wrong, expired or revoked.",
    403: "The API key is good, and may not do this.",
    404: "The model is not in the catalogue, or the request is not stored.",
    413: "The body is too large.",
    422: "A field is missing or wrong (under /v1 this is 400).",
    429: "The providers limit the rate, every candidate is at its limit, or the router's queue is full.",
    431: "There are too many headers, or they are too large.",
    500: "The router failed; the log has the request id.",
    502: "Every candidate failed.",
    503: "No model, or no database, is available now: candidates whose breakers are open are not.",
    504: "No candidate answered in time.",
}
ANYWHERE = (400, 401, 431, 500, 503)


def failures(shape: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Those of `statuses` and of ANYWHERE; all that there are when none is named."""
    named = sorted({*ANYWHERE, *statuses}) if statuses else MEANINGS
    return {status: {"model": shape, "description": MEANINGS[status]} for status in named}
