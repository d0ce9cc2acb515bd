"""What the router recorded, as rows to learn from: from SQLite, and from a real PostgreSQL."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.storage.database import open_database
from app.storage.records import DecisionRecord, OutcomeRecord
from app.storage.repository import Repository
from tests.app.storage.samples import NOW, decision, feedback, outcome
from train.recorded import rows_from_database
from train.rows import ModelOutcome, Row

Call = tuple[DecisionRecord, OutcomeRecord, int | None]
FAILED = {"model": None, "error": "upstream_error"}


def call(id_: str, rating: int | None, text: str | None = "What?", *, hours: int = 0, **changes: object) -> Call:
    created = NOW + timedelta(hours=hours)
    usual = {"fallbacks": [], **changes}
    return decision(id_, query_text=text, created_at=created), outcome(id_, created_at=created, **usual), rating


def record(url: str, calls: Sequence[Call]) -> None:
    async def write() -> None:
        database = open_database(url)
        repository = Repository(database)
        await repository.write([one for one, _, _ in calls], [one for _, one, _ in calls])
        for one, _, rating in calls:
            if rating is not None:
                await repository.rate("acme", feedback(one.request_id, rating))
        await database.close()

    asyncio.run(write())


CALLS = [
    call("best", 5),
    call("worst", 1, hours=1),
    call("fallback", 4, fallbacks=["strong:upstream_timeout", "ours:upstream_unauthorized"], hours=2),
    call("failed", None, **FAILED, fallbacks=["strong:upstream_unreachable"], hours=3),
    call("cached", 3, cache="exact", cost_usd=0.0, hours=4),
    call("unpriced", 2, cost_usd=None, hours=5),
    call("unrated", None, hours=6),
    call("no text", 5, None, hours=7),
    call("our fault", None, **FAILED, hours=8),
    call("long", 5, "x" * 50_001, hours=9),
    call("blank", 5, " ", hours=10),
]


def test_rows_with_what_they_teach(database_url: str) -> None:
    record(database_url, CALLS)
    rows, faults = rows_from_database(database_url)
    assert [(row.id, row.source, row.query, row.domain, row.complexity) for row in rows[:1]] == [
        ("best", "llm-router", "What?", None, None)
    ]
    assert {row.id: row.outcomes for row in rows} == {
        "best": {"small": ModelOutcome(1.0, 0.25, 100, 10)},
        "worst": {"small": ModelOutcome(0.0, 0.25, 100, 10)},
        "fallback": {"strong": ModelOutcome(0.0), "small": ModelOutcome(0.75, 0.25, 100, 10)},
        "failed": {"strong": ModelOutcome(0.0)},
        "cached": {"small": ModelOutcome(0.5, None, 100, 10)},
        "unpriced": {"small": ModelOutcome(0.25, None, 100, 10)},
    }
    assert dict(faults.counts) == {
        "not rated": 1,
        "without text": 1,
        "failed, not through a model's fault": 1,
        "query over 50,000 characters": 1,
        "empty query": 1,
    }
    assert faults.places["empty query"] == ["request blank"]
    assert "secret" not in str(faults)
    later, _ = rows_from_database(database_url, since=NOW + timedelta(hours=4))
    assert [row.id for row in later] == ["cached", "unpriced"]


@pytest.mark.parametrize("kept", [lambda _: [], lambda call: [call]])
def test_nothing_to_learn_from(tmp_path: Path, kept: Callable[[Call], list[Call]]) -> None:
    url = f"sqlite:///{tmp_path}/router.db"
    calls = kept(call("no text", 5, None))
    record(url, calls)
    rows, faults = rows_from_database(url)
    expected: tuple[list[Row], int] = ([], len(calls))
    assert (rows, faults.counts["without text"]) == expected


def test_no_database() -> None:
    with pytest.raises(ConfigError, match="is not a database known here"):
        rows_from_database("mysql://u:secret@host/db")
