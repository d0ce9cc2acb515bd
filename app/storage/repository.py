"""Writing, rating, explaining and deleting requests. Statistics have their statements in parts.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, delete, func, literal, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import RouterError
from app.storage import rows
from app.storage.database import Database
from app.storage.records import DecisionRecord, Explanation, Feedback, OutcomeRecord
from app.storage.tables import table

EXPIRE_BATCH = 1000  # SQLite has one writer: others wait for a batch, not for the whole


@dataclass(frozen=True, slots=True)
class Deleted:
    """Rows by table."""

    decisions: int
    outcomes: int
    feedback: int


class Repository:
    """Every method raises StorageUnavailable when the database cannot be reached.

    Where one request is asked for, its id is ours, or else the client's, which means the newest request with it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert

    async def write(self, decisions: Sequence[DecisionRecord], outcomes: Sequence[OutcomeRecord]) -> None:
        """All or none. A request that is already there stays as it is; an outcome needs no decision before it."""
        try:
            await self._database.add(rows.rows_of(decisions, outcomes))
        except RouterError:
            raise
        except Exception:  # a text that the database cannot take is rare: only then is every text looked at
            clean = rows.rows_of([rows.cleaned(one) for one in decisions], [rows.cleaned(one) for one in outcomes])
            await self._database.add(clean)

    async def rate(self, tenant: str, feedback: Feedback) -> str | None:
        """The last rating wins, and is there when this returns. Returns our id of the request that was rated.

        None: no such request of this tenant is stored. A decision that is still in the spool is not stored yet.
        """
        async with self._database.transaction() as connection:
            id_ = await _own_id(connection, tenant, feedback.request_id)
            upsert = self._rating(tenant, replace(feedback, request_id=id_))
            done = await connection.execute(upsert.execution_options(preserve_rowcount=True))
        return id_ if done.rowcount > 0 else None

    def _rating(self, tenant: str, feedback: Feedback) -> postgresql.Insert | sqlite.Insert:
        """Writes nothing where no such request is stored."""
        row = rows.feedback_row(tenant, feedback)
        decision, outcome = (_one(table(name), tenant, feedback.request_id) for name in ("decision", "outcome"))
        values: dict[str, ColumnElement[Any]] = {
            name: literal(value, table("feedback").c[name].type) for name, value in row.items()
        }
        values["kind"] = outcome.with_only_columns(table("outcome").c.kind).scalar_subquery()
        times = (
            one.with_only_columns(one.selected_columns.created_at).scalar_subquery() for one in (decision, outcome)
        )
        values["requested_at"] = func.coalesce(*times)
        found = select(*values.values()).where(or_(decision.exists(), outcome.exists()))
        insert = self._insert(table("feedback")).from_select(list(values), found)
        newer = {name: insert.excluded[name] for name in ("rating", "comment", "created_at")}
        return insert.on_conflict_do_update(index_elements=rows.KEY, set_=newer)

    async def explain(self, tenant: str, request_id: str) -> Explanation | None:
        """None: no such request of this tenant is stored."""
        async with self._database.transaction(reads_only=True) as connection:
            id_ = await _own_id(connection, tenant, request_id)
            found = {
                name: (await connection.execute(_one(one, tenant, id_))).mappings().first()
                for name, one in ((name, table(name)) for name in ("decision", "outcome", "answer", "feedback"))
            }
        if found["decision"] is None and found["outcome"] is None:
            return None
        decision, outcome, feedback = found["decision"], found["outcome"], found["feedback"]
        answer = found["answer"] or dict.fromkeys(rows.ANSWER)
        return Explanation(
            decision=decision and rows.decision_record(decision),
            outcome=outcome and rows.outcome_record({**outcome, **answer}),
            feedback=feedback and rows.feedback_record(feedback),
        )

    async def delete_user(self, tenant: str, user_id: str) -> Deleted:
        """Everything stored of one user. What is still in the spool is stored later: ask again then."""
        decision = table("decision").c
        whose = and_(decision.tenant == rows.clean(tenant), decision.user_id == rows.clean(user_id))
        return await self._delete(select(decision.tenant, decision.request_id).where(whose))

    async def expire(self, older_than: datetime) -> Deleted:
        """Requests made before `older_than`, with all that belongs to them."""
        total = Deleted(0, 0, 0)
        for name in ("decision", "outcome"):
            column = table(name).c
            old = select(column.tenant, column.request_id).where(column.created_at < older_than)
            more = await self._delete(old.order_by(column.created_at))
            total = _sum(total, more)
        return total

    async def ping(self) -> None:
        async with self._database.transaction(reads_only=True) as connection:
            await connection.execute(text("SELECT 1"))

    async def _delete(self, keys: Select[Any]) -> Deleted:
        """In bounded batches, a transaction each, until `keys` selects nothing."""
        total = Deleted(0, 0, 0)
        while True:
            async with self._database.transaction() as connection:
                batch = [dict(row) for row in (await connection.execute(keys.limit(EXPIRE_BATCH))).mappings()]
                if not batch:
                    return total
                counts = [await _remove(connection, name, batch) for name in ("decision", "outcome", "feedback")]
                await _remove(connection, "answer", batch)
            total = _sum(total, Deleted(*counts))


async def _remove(connection: AsyncConnection, name: str, keys: Sequence[Mapping[str, Any]]) -> int:
    one = table(name)
    statement = delete(one).where(one.c.tenant == bindparam("tenant"), one.c.request_id == bindparam("request_id"))
    return (await connection.execute(statement, keys)).rowcount


def _sum(one: Deleted, other: Deleted) -> Deleted:
    return Deleted(one.decisions + other.decisions, one.outcomes + other.outcomes, one.feedback + other.feedback)


async def _own_id(connection: AsyncConnection, tenant: str, given: str) -> str:
    """`given` itself when it is ours, or unknown."""
    decision, outcome = table("decision"), table("outcome")
    ours = (_one(one, tenant, given).with_only_columns(one.c.request_id) for one in (decision, outcome))
    theirs = (
        select(decision.c.request_id)
        .where(decision.c.tenant == rows.clean(tenant), decision.c.client_request_id == rows.clean(given))
        .order_by(decision.c.created_at.desc())
        .limit(1)
    )
    first = func.coalesce(*(one.scalar_subquery() for one in (*ours, theirs)), rows.clean(given))
    found: str = (await connection.execute(select(first))).scalar_one()
    return found


def _one(one: Table, tenant: str, request_id: str) -> Select[Any]:
    return select(one).where(one.c.tenant == rows.clean(tenant), one.c.request_id == rows.clean(request_id))
