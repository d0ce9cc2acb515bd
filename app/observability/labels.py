"""The values that labels may have, besides model ids and error codes."""

from enum import StrEnum
from typing import Literal

from app.domain import Stage

NO_MODEL = "none"  # a request that failed before a model was chosen, or a model that is not in the catalogue
StageName = Stage | Literal["features", "decision", "model", "storage"]


class Endpoint(StrEnum):
    """The paths that answer queries."""

    CHAT = "/api/v1/chat"
    ROUTE = "/api/v1/route"
    COMPLETIONS = "/v1/chat/completions"
    MESSAGES = "/v1/messages"


class CacheKind(StrEnum):
    EXACT = "exact"
    SEMANTIC = "semantic"


class BreakerState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"
