"""Rows from the router's own database: what users rated, and what failed."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from app.storage.database import open_database
from app.storage.export import Export
from app.storage.url import shown
from train.files import BrokenRowError, row_of
from train.rows import Faults, Row

EVER = datetime.fromtimestamp(0, UTC)


def rows_from_database(url: str, since: datetime | None = None) -> tuple[list[Row], Faults]:
    """A row a request made since then, of all tenants; no rows when nobody rated anything yet.

    A rating of 1 to 5 is a score of 0 to 1, for the model that answered; a model that failed by its own fault scored
    0. Requests without text (STORE_TEXT), without a rating, or that failed otherwise are counted in the faults. The
    domain is left open: the router's own guess is nothing to learn from. Runs an event loop of its own. Raises
    StorageUnavailable, or ConfigError when the database can never work.
    """
    return asyncio.run(_read(url, since or EVER))


async def _read(url: str, since: datetime) -> tuple[list[Row], Faults]:
    database = open_database(url, pool_size=1)
    rows, faults = [], Faults()
    export = Export(database, since)
    try:
        async for example in export:
            try:
                rows.append(_row(example))
            except BrokenRowError as broken:
                faults.add(broken.reason, f"request {example['id']}")
    finally:
        await database.close()
    for reason, count in export.skipped.items():
        faults.add(reason, shown(database.url), count)
    return rows, faults


def _row(example: dict[str, Any]) -> Row:
    outcomes = {model: _known(outcome) for model, outcome in example["outcomes"].items()}
    return row_of({**example, "domain": None, "outcomes": outcomes}, example["id"], example["source"])


def _known(outcome: dict[str, Any]) -> dict[str, Any]:
    """No request has 0 tokens: that is a call that failed, of which no tokens are known."""
    return outcome if outcome["in_tokens"] else {**outcome, "in_tokens": None, "out_tokens": None}
