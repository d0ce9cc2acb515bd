"""The statements behind rebuilding the memory: finished requests with their text and rating, in pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_

from app.storage.database import Database
from app.storage.records import OutcomeRecord
from app.storage.rows import ANSWER, KEY, outcome_record
from app.storage.tables import table

ORDER = ("created_at", "tenant", "request_id")
Position = tuple[datetime, str, str]  # ORDER of a request


@dataclass(frozen=True, slots=True)
class Ended:
    """`text` is None when it was not kept (STORE_TEXT)."""

    user_id: str
    text: str | None
    outcome: OutcomeRecord
    rating: int | None

    @property
    def position(self) -> Position:
        return self.outcome.created_at, self.outcome.tenant, self.outcome.request_id


async def read_ended(database: Database, after: Position | None, limit: int) -> list[Ended]:
    """The next requests of all tenants, the oldest first. Raises StorageUnavailable."""
    decision, outcome, answer, feedback = (table(name) for name in ("decision", "outcome", "answer", "feedback"))
    joined = outcome.join(decision, _same(outcome, decision))
    joined = joined.outerjoin(answer, _same(outcome, answer)).outerjoin(feedback, _same(outcome, feedback))
    wanted = [*outcome.c, *(answer.c[name] for name in ANSWER)]
    statement = (
        select(*wanted, decision.c.user_id, decision.c.query_text, feedback.c.rating)
        .select_from(joined)
        .where(*_behind(after))
        .order_by(*(outcome.c[name] for name in ORDER))
        .limit(limit)
    )
    async with database.transaction(reads_only=True) as connection:
        return [_ended(row) for row in (await connection.execute(statement)).mappings()]


async def count_ended(database: Database, after: Position | None) -> int:
    """How many follow. Raises StorageUnavailable."""
    statement = select(func.count()).select_from(table("outcome")).where(*_behind(after))
    async with database.transaction(reads_only=True) as connection:
        return int((await connection.execute(statement)).scalar_one())


def _behind(after: Position | None) -> Sequence[ColumnElement[bool]]:
    if after is None:
        return ()
    columns = [table("outcome").c[name] for name in ORDER]
    values = [literal(value, column.type) for value, column in zip(after, columns, strict=True)]
    return (tuple_(*columns) > tuple_(*values),)


def _same(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(*(one.c[name] == other.c[name] for name in KEY))


def _ended(row: Mapping[Any, Any]) -> Ended:
    return Ended(row["user_id"], row["query_text"], outcome_record(row), row["rating"])
