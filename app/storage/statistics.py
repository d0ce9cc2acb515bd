"""What happened in a window of time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.completion import Usage
from app.models.catalogue import Prices
from app.storage.database import Database
from app.storage.histogram import percentile_ms
from app.storage.parts import Part, read_latencies, read_parts, total_usage
from app.storage.savings import Savings, savings

CACHES = ("exact", "semantic")


@dataclass(frozen=True, slots=True)
class Group:
    """Requests taken together. `cost_usd` is of those whose cost is known; `unknown_cost` counts the others."""

    requests: int
    errors: int
    usage: Usage
    cost_usd: float
    unknown_cost: int
    ratings: int
    average_rating: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Of all requests, failed ones too; None when there are none. Percentiles are within 1 % of the exact ones."""

    average_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Requests made from `since` until before `until`. `by_model` leaves out requests that no model answered.

    `cache_hits` counts requests by kind of cache.
    """

    since: datetime
    until: datetime
    total: Group
    cache_hits: Mapping[str, int]
    latency: Latency
    by_model: Mapping[str, Group]
    by_tier: Mapping[str, Group]
    by_domain: Mapping[str, Group]
    savings: Savings


async def read_statistics(
    database: Database, since: datetime, until: datetime, prices: Mapping[str, Prices], strongest: str
) -> Statistics:
    """`prices` by model id; `strongest` is the model of the first baseline. Raises StorageUnavailable."""
    async with database.transaction(reads_only=True) as connection:
        parts = await read_parts(connection, since, until)
        latencies = await read_latencies(connection, since, until)
    return Statistics(
        since=since,
        until=until,
        total=_group(parts),
        cache_hits={name: sum(part.requests for part in parts if part.cache == name) for name in CACHES},
        latency=_latency(parts, latencies),
        by_model=_groups(parts, lambda part: part.model),
        by_tier=_groups(parts, lambda part: part.tier),
        by_domain=_groups(parts, lambda part: part.domain),
        savings=savings(parts, prices, strongest),
    )


def _group(parts: Sequence[Part]) -> Group:
    ratings = sum(part.ratings for part in parts)
    return Group(
        requests=sum(part.requests for part in parts),
        errors=sum(part.requests for part in parts if part.error is not None),
        usage=total_usage(parts),
        cost_usd=sum(part.cost_usd for part in parts),
        unknown_cost=sum(part.requests for part in parts if not part.cost_known),
        ratings=ratings,
        average_rating=sum(part.rating_sum for part in parts) / ratings if ratings else None,
    )


def _groups(parts: Sequence[Part], key: Callable[[Part], str | None]) -> dict[str, Group]:
    """Sorted by name."""
    names = sorted({name for part in parts if (name := key(part)) is not None})
    return {name: _group([part for part in parts if key(part) == name]) for name in names}


def _latency(parts: Sequence[Part], latencies: Mapping[int, int]) -> Latency:
    requests = sum(part.requests for part in parts)
    return Latency(
        average_ms=sum(part.latency_ms for part in parts) / requests if requests else None,
        p50_ms=percentile_ms(latencies, 0.50),
        p95_ms=percentile_ms(latencies, 0.95),
        p99_ms=percentile_ms(latencies, 0.99),
    )
