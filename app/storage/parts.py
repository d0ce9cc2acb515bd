"""The statements behind statistics: outcomes summed up by their kind, latencies by bucket."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, and_, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from app.completion import Usage
from app.storage.rows import KIND
from app.storage.tables import table


@dataclass(frozen=True, slots=True)
class Part:
    """The requests of one kind. `cost_usd` is 0 when the cost is not known; `latency_ms` is summed up."""

    model: str | None
    tier: str
    domain: str
    error: str | None
    cache: str | None
    cost_known: bool
    requests: int
    usage: Usage
    cost_usd: float
    latency_ms: float
    ratings: int
    rating_sum: int


async def read_parts(connection: AsyncConnection, since: datetime, until: datetime) -> list[Part]:
    ratings = {row.kind: row for row in await connection.execute(_ratings(since, until))}
    outcome, kind = table("outcome").c, table("outcome_kind")
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "cost_usd", "latency_ms")
    sums = select(
        outcome.kind, func.count().label("requests"), *(func.sum(outcome[name]).label(name) for name in names)
    )
    summed = sums.where(_within(outcome.created_at, since, until)).group_by(outcome.kind).subquery()
    statement = select(summed, *(kind.c[name] for name in KIND)).join(kind, kind.c.id == summed.c.kind)
    return [_part(row, ratings.get(row.kind)) for row in await connection.execute(statement)]


async def read_latencies(connection: AsyncConnection, since: datetime, until: datetime) -> dict[int, int]:
    """Requests by latency bucket."""
    outcome = table("outcome").c
    counts = select(outcome.latency_bucket, func.count().label("requests")).group_by(outcome.latency_bucket)
    found = await connection.execute(counts.where(_within(outcome.created_at, since, until)))
    return {row.latency_bucket: row.requests for row in found}


def total_usage(parts: Iterable[Part]) -> Usage:
    usages = [part.usage for part in parts]
    return Usage(
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        sum(usage.cached_input_tokens for usage in usages),
    )


def _ratings(since: datetime, until: datetime) -> Any:
    """By kind. A rating that came before its outcome was stored does not know its kind: those few are joined."""
    feedback, outcome = table("feedback"), table("outcome")
    rated = _within(feedback.c.requested_at, since, until)
    same = and_(feedback.c.tenant == outcome.c.tenant, feedback.c.request_id == outcome.c.request_id)
    early = select(outcome.c.kind, feedback.c.rating).join(outcome, same).where(rated, feedback.c.kind.is_(None))
    usual = select(feedback.c.kind, feedback.c.rating).where(rated, feedback.c.kind.is_not(None))
    all_ = union_all(usual, early).subquery()
    return select(all_.c.kind, func.count().label("ratings"), func.sum(all_.c.rating).label("rating_sum")).group_by(
        all_.c.kind
    )


def _within(column: Column[Any], since: datetime, until: datetime) -> ColumnElement[bool]:
    return and_(column >= since, column < until)


def _part(row: Row[Any], rated: Row[Any] | None) -> Part:
    return Part(
        **{name: getattr(row, name) for name in KIND},
        requests=row.requests,
        usage=Usage(row.input_tokens, row.output_tokens, row.cached_input_tokens),
        cost_usd=row.cost_usd or 0.0,
        latency_ms=row.latency_ms,
        ratings=rated.ratings if rated else 0,
        rating_sum=rated.rating_sum if rated else 0,
    )
