"""One event for each decision and each completion. No event holds text of a prompt or of an answer."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from app.completion import Usage
from app.domain import Decision, Query
from app.errors import RouterError
from app.models.attempt import Attempt

logger = logging.getLogger("llm_router.events")
CLIENT_LEFT = "client_left"


def decided(query: Query, decision: Decision, latency_ms: float, client_request_id: str | None = None) -> None:
    if logger.isEnabledFor(logging.INFO):
        given: dict[str, Any] = {} if client_request_id is None else {"client_request_id": client_request_id}
        _emit(
            "decision",
            request_id=decision.request_id,
            model=decision.model,
            cause=decision.cause,
            rule=decision.rule,
            confidence=round(decision.confidence, 3),
            complexity=round(query.features.complexity, 3) if query.features else None,
            domain=decision.domain,
            tier=query.tier,
            latency_ms=round(latency_ms, 2),
            **given,
        )


def completed(
    decision: Decision,
    model: str,
    usage: Usage,
    cost_usd: float | None,
    latency_ms: float,
    attempts: Sequence[Attempt],
) -> None:
    if logger.isEnabledFor(logging.INFO):
        _emit(
            "completion",
            request_id=decision.request_id,
            model=model,
            cause=decision.cause,
            fallbacks=[f"{attempt.model}:{attempt.code}" for attempt in attempts],
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=cost_usd,
            latency_ms=round(latency_ms, 2),
        )


def refused(request_id: str, error: RouterError) -> None:
    """A request that got no decision: the caller's fault, or no model available."""
    _emit("refusal", level=logging.WARNING, request_id=request_id, error=error.code)


def failed(decision: Decision, error: BaseException, latency_ms: float, attempts: Sequence[Attempt] = ()) -> None:
    """A decision without a whole answer. The error's message stays out: it may quote the prompt."""
    code = code_of(error)
    _emit(
        "failure",
        level=logging.INFO if code == CLIENT_LEFT else logging.WARNING,
        request_id=decision.request_id,
        model=decision.model,
        cause=decision.cause,
        error=code,
        fallbacks=[f"{attempt.model}:{attempt.code}" for attempt in attempts],
        latency_ms=round(latency_ms, 2),
    )


def code_of(error: BaseException) -> str:
    """A stable word for what went wrong."""
    if isinstance(error, asyncio.CancelledError):
        return CLIENT_LEFT
    return error.code if isinstance(error, RouterError) else type(error).__name__


def _emit(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Past `Logger.log`, half of whose time goes into finding out which line of this file called it."""
    if logger.isEnabledFor(level):
        record = logging.LogRecord(logger.name, level, __file__, 0, event, None, None)
        record.fields = fields
        logger.handle(record)
