"""One event for each decision and each completion. No event holds text of a prompt or of an answer."""

import logging
from collections.abc import Sequence

from app.domain import Decision, Query, Usage
from app.errors import RouterError
from app.models.fallback import Attempt

logger = logging.getLogger("llm_router.events")


def decided(query: Query, decision: Decision, latency_ms: float) -> None:
    if logger.isEnabledFor(logging.INFO):
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


def failed(decision: Decision, error: Exception, latency_ms: float) -> None:
    """An error that reaches the caller. Its own message stays out unless it is one of ours."""
    code = error.code if isinstance(error, RouterError) else type(error).__name__
    _emit(
        "failure",
        level=logging.WARNING,
        request_id=decision.request_id,
        model=decision.model,
        cause=decision.cause,
        error=code,
        latency_ms=round(latency_ms, 2),
    )


def _emit(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    logger.log(level, event, extra={"fields": fields})
