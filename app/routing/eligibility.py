"""Eligibility before preference: a model that cannot take the query is never scored."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from app.domain import Query
from app.errors import ContextTooLong, NoModelAvailable, NotEligible, RouterError
from app.models.availability import NO_KEY
from app.models.catalogue import ModelSpec

RETRY_AFTER_S = 10.0


class Rejection(StrEnum):
    """Why a model cannot take a query, whatever its own state is."""

    TIER = "tier_not_allowed"
    CONTEXT = "context_too_small"
    TOOLS = "no_tools"
    VISION = "no_vision"
    JSON = "no_json"
    STREAM = "no_stream"
    CHAT = "no_chat"


LASTING = frozenset(str(reason) for reason in Rejection)


def reject(query: Query, spec: ModelSpec, unavailable: Mapping[str, str]) -> str | None:
    """The reason why `spec` cannot take the query; None when it can. A lasting reason goes before a passing one."""
    if query.tier not in spec.allowed_tiers:
        return Rejection.TIER
    missing = query.needs - spec.capabilities
    if missing:
        return Rejection[min(missing).name]
    if query.tokens + (query.max_output_tokens or 1) > spec.context_window_tokens:
        return Rejection.CONTEXT
    return unavailable.get(spec.id)


def split(
    query: Query, models: Iterable[ModelSpec], unavailable: Mapping[str, str]
) -> tuple[list[ModelSpec], dict[str, str]]:
    """The eligible models, and the others with their reason. Raises when no model is left."""
    eligible, rejected = [], {}
    for spec in models:
        reason = reject(query, spec, unavailable)
        if reason is None:
            eligible.append(spec)
        else:
            rejected[spec.id] = str(reason)
    if not eligible:
        raise nobody_left(query, rejected)
    return eligible, rejected


def nobody_left(query: Query, rejected: Mapping[str, str]) -> RouterError:
    """503 when a model that could take the query may come back; else 400, as waiting would not help."""
    reasons = ", ".join(f"{model}: {reason}" for model, reason in rejected.items())
    found = set(rejected.values())
    lasting = {reason for reason in found if reason in LASTING}
    if not lasting or any(not reason.startswith(NO_KEY) for reason in found - lasting):
        return NoModelAvailable(
            f"no model can take this query now ({reasons}); GET /api/v1/models tells what each model needs",
            retry_after_s=RETRY_AFTER_S,
        )
    if Rejection.CONTEXT in lasting:
        more = query.max_output_tokens or "some"
        return ContextTooLong(
            f"no available model can hold a query of about {query.tokens} tokens and {more} tokens of answer "
            f"({reasons}); shorten it",
            param="query",
        )
    return NotEligible(f"no available model may take this query ({reasons}); GET /api/v1/models tells what each can do")
