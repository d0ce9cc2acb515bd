"""The statement behind replay: decisions with their candidates, and what became of each."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, select

from app.storage.database import Database
from app.storage.rows import KEY
from app.storage.tables import table

DECISION = ("request_id", "created_at", "tier", "domain", "cause", "candidates", "propensity", "query_text")
OUTCOME = ("model", "error", "cache", "fallbacks", "cost_usd", "latency_ms")


async def decided(database: Database, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
    """Finished requests of all tenants in their order, with DECISION, OUTCOME and `rating`, None without one.

    Raises StorageUnavailable.
    """
    async with database.transaction(reads_only=True) as connection:
        found = await connection.stream(_requests(since))
        async for row in found.mappings():
            yield row


def _requests(since: datetime) -> Select[Any]:
    decision, outcome, feedback = (table(name) for name in ("decision", "outcome", "feedback"))
    same_outcome, same_feedback = (
        and_(*(decision.c[name] == other.c[name] for name in KEY)) for other in (outcome, feedback)
    )
    wanted = [*(decision.c[name] for name in DECISION), *(outcome.c[name] for name in OUTCOME), feedback.c.rating]
    return (
        select(*wanted)
        .select_from(decision.join(outcome, same_outcome).outerjoin(feedback, same_feedback))
        .where(decision.c.created_at >= since)
        .order_by(decision.c.created_at, decision.c.request_id)
    )
