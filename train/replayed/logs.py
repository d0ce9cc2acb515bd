"""Traffic from the router's own database: decisions of the score, with what became of them."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from app.domain import Cause, Tier
from app.storage.database import open_database
from app.storage.decided import decided
from app.storage.judged import models_at_fault, success_of
from train.errors import DataError
from train.replayed.traffic import Logged, Replay, Traffic

REPLAYED = frozenset((Cause.SCORED, Cause.DEGRADED))  # others are not chosen by weights
Row = Mapping[str, Any]


def from_database(url: str, since: datetime) -> Replay:
    """Runs an event loop of its own. Raises StorageUnavailable, and DataError when nothing can be replayed."""
    rows, skipped = asyncio.run(_read(url, since))
    notes = tuple(f"{count} skipped: {reason}" for reason, count in skipped.most_common())
    if not rows:
        raise DataError(
            "\n".join(
                [f"no decision of the score has finished since {since:%Y-%m-%d %H:%M}: nothing to replay", *notes]
            )
        )
    if without := sum(not _propensity(row) for row in rows):
        raise DataError(
            f"{without} of {len(rows)} decisions were stored without a propensity above 0 to 1: what else could have "
            "been chosen is not known; replay a time since the router stores it"
        )
    by_tier = {tier: [row for row in rows if row["tier"] == tier] for tier in Tier}
    traffic = {tier: _traffic(tier, some) for tier, some in by_tier.items() if some}
    unrated = sum(row["rating"] is None for row in rows)
    if unrated:
        notes = (f"{unrated} of {len(rows)} decisions have no rating: their cost and latency count only", *notes)
    return Replay(traffic, notes, {"requests": _digest(rows)})


async def _read(url: str, since: datetime) -> tuple[list[Row], Counter[str]]:
    database = open_database(url, pool_size=1)
    rows: list[Row] = []
    skipped = Counter[str]()
    try:
        async for row in decided(database, since):
            if (reason := _useless(row)) is None:
                rows.append(dict(row))
            else:
                skipped[reason] += 1
    finally:
        await database.close()
    return rows, skipped


def _useless(row: Row) -> str | None:
    if row["cause"] not in REPLAYED:
        return f"decided by {row['cause']}, not by weights"
    if row["cache"] is not None:
        return "answered by a cache"
    if not row["candidates"] or any(_quality(item) is None for item in row["candidates"]):
        return "stored without the quality of its candidates"
    return None


def _traffic(tier: Tier, rows: Sequence[Row]) -> Traffic:
    models = _models(rows)
    column = {model: at for at, model in enumerate(models)}
    values = {name: np.full((len(rows), len(models)), np.nan) for name in ("quality", "cost", "latency", "hint")}
    expected = {name: np.full((len(rows), len(models)), np.nan) for name in ("cost_usd", "latency_ms")}
    eligible = np.zeros((len(rows), len(models)), np.bool_)
    for line, row in enumerate(rows):
        for item in row["candidates"]:
            at = line, column[item["model"]]
            eligible[at] = True
            for name, matrix in values.items():
                matrix[at] = _number(item["factors"].get(name))
            for name, matrix in expected.items():
                matrix[at] = _number(item.get(name))
    return Traffic(
        tier=tier,
        models=models,
        eligible=eligible,
        quality=np.where(eligible, values["quality"], 0.0),
        **expected,
        latency=values["latency"],
        hint=values["hint"],
        cost=values["cost"],
        prices=np.full((len(models), 2), np.nan),
        domain=np.array([row["domain"] for row in rows]),
        order=np.array([row["created_at"].timestamp() for row in rows]),
        texts=tuple(row["query_text"] for row in rows),
        outcomes=_logged(rows, column),
    )


def _logged(rows: Sequence[Row], column: Mapping[str, int]) -> Logged:
    return Logged(
        chosen=np.array([column[row["candidates"][0]["model"]] for row in rows], np.int64),
        propensity=np.array([row["propensity"] for row in rows], np.float64),
        reward=np.array([_reward(row) for row in rows]),
        cost_usd=np.array([_number(row["cost_usd"]) for row in rows]),
        latency_ms=np.array([_number(row["latency_ms"]) for row in rows]),
    )


def _models(rows: Sequence[Row]) -> tuple[str, ...]:
    """By their mean rank: of two that always score the same the router takes the first one of the catalogue."""
    ranks: dict[str, list[int]] = {}
    for row in rows:
        for rank, item in enumerate(row["candidates"]):
            ranks.setdefault(item["model"], []).append(rank)
    return tuple(sorted(ranks, key=lambda model: (float(np.mean(ranks[model])), model)))


def _reward(row: Row) -> float:
    """The rating as 0 to 1; 0 for a request that failed by its first model's fault."""
    if row["error"] is None:
        return float("nan") if row["rating"] is None else success_of(row["rating"])
    first = row["candidates"][0]["model"]
    return 0.0 if first in models_at_fault(row["fallbacks"]) else float("nan")


def _quality(item: Mapping[str, Any]) -> float | None:
    quality = (item.get("factors") or {}).get("quality")
    return quality if isinstance(quality, int | float) and 0 <= quality <= 1 else None


def _propensity(row: Row) -> bool:
    """False for NaN too."""
    given = row["propensity"]
    return isinstance(given, int | float) and 0 < given <= 1


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _digest(rows: Sequence[Row]) -> str:
    """Of which requests, and of their ratings, which may still come."""
    lines = (f"{row['request_id']}\0{row['rating']}\n" for row in rows)
    return hashlib.sha256("".join(lines).encode("utf-8", "replace")).hexdigest()
