"""How a group commit reaches the database: many rows, one transaction, as little work for the event loop as possible.

PostgreSQL takes one statement with the rows as JSON: one round trip. SQLite takes prepared rows: a few at once, as the
way to a thread and back costs more than they do, and many in a thread. An asynchronous driver would cross threads for
every statement.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
from sqlalchemy import JSON, URL, Column, Table
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from app.storage.engines import BUSY_PRAGMA, sync_engine
from app.storage.rows import Row
from app.storage.tables import UtcTime, table

CHECKPOINT_ROWS = 10_000
FEW_ROWS = 8  # usual ones take 0.1 ms, as SQLite forces nothing to the disk then
TABLES = ("outcome_kind", "decision", "outcome", "answer")
JSON_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
Rows = Mapping[str, Sequence[Row]]


class Bulk(Protocol):
    async def add(self, rows: Rows) -> None:
        """Rows by table, all or none, durable when it returns. A row whose key is taken is left out."""
        ...

    async def close(self) -> None: ...


class PostgresBulk:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")  # a statement is a transaction
        inserts = ", ".join(f"into_{name} AS ({_insert_json(table(name))})" for name in TABLES)
        self._statement = f"WITH {inserts} SELECT 1"

    async def add(self, rows: Rows) -> None:
        parameters = {name: _json(rows[name]) for name in TABLES}
        async with self._engine.connect() as connection:
            await connection.exec_driver_sql(self._statement, parameters)

    async def close(self) -> None:
        pass


class SqliteBulk:
    def __init__(self, url: URL) -> None:
        self._engine = sync_engine(url)
        self._quick: PoolProxiedConnection | None = None  # of the event loop's thread; it waits for no other writer
        self._added = 0
        self._checkpoint: asyncio.Task[None] | None = None
        self._inserts = {name: _insert_values(table(name)) for name in TABLES}
        self._converters = {
            name: [(column.name, _converter(column)) for column in table(name).columns] for name in TABLES
        }

    async def add(self, rows: Rows) -> None:
        count = sum(map(len, rows.values()))
        if count > FEW_ROWS or not self._add_at_once(rows):
            await asyncio.to_thread(self._add, rows)
        self._added += count
        if self._added >= CHECKPOINT_ROWS and (self._checkpoint is None or self._checkpoint.done()):
            self._added = 0
            self._checkpoint = asyncio.create_task(asyncio.to_thread(self._write_back))

    async def close(self) -> None:
        if self._checkpoint is not None:
            await asyncio.wait({self._checkpoint})
        if self._quick is not None:
            self._quick.invalidate()
        self._engine.dispose()

    def _write_back(self) -> None:
        """From the log into the database file: most of it beside the writers, the rest before them, if nobody reads."""
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            for pragma in ("wal_checkpoint(PASSIVE)", "busy_timeout=0", "wal_checkpoint(TRUNCATE)", BUSY_PRAGMA):
                cursor.execute(f"PRAGMA {pragma}").fetchall()
        finally:
            connection.close()

    def _add_at_once(self, rows: Rows) -> bool:
        """False when it did not work, for whatever reason: then a thread has to wait for it, or finds out why."""
        try:
            cursor = self._quick_connection().cursor()
            cursor.execute("BEGIN IMMEDIATE")
            for name in TABLES:
                if rows[name]:
                    cursor.executemany(self._inserts[name], [self._values(name, row) for row in rows[name]])
            cursor.execute("COMMIT")
            cursor.close()
        except Exception:  # a row may be no row at all, and a transaction left open would lock out every writer
            if self._quick is not None:
                self._quick.rollback()
            return False
        return True

    def _quick_connection(self) -> PoolProxiedConnection:
        if self._quick is None:
            self._quick = self._engine.raw_connection()
            self._quick.cursor().execute("PRAGMA busy_timeout=0")
        return self._quick

    def _add(self, rows: Rows) -> None:
        with self._engine.begin() as connection:
            for name in TABLES:
                if rows[name]:
                    values = [self._values(name, row) for row in rows[name]]
                    connection.exec_driver_sql(self._inserts[name], values)

    def _values(self, name: str, row: Row) -> tuple[Any, ...]:
        return tuple(
            [row[column] if convert is None else convert(row[column]) for column, convert in self._converters[name]]
        )


def _insert_json(into: Table) -> str:
    names = ", ".join(into.columns.keys())
    rows = f"json_populate_recordset(NULL::{into.name}, %({into.name})s::json)"
    return f"INSERT INTO {into.name} ({names}) SELECT {names} FROM {rows} ON CONFLICT DO NOTHING"


def _insert_values(into: Table) -> str:
    places = ", ".join("?" for _ in into.columns)
    names = ", ".join(into.columns.keys())
    return f"INSERT INTO {into.name} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING"


def _converter(column: Column[Any]) -> Callable[[Any], Any] | None:
    """What SQLite's driver does not do by itself."""
    if isinstance(column.type, JSON):
        return _json
    return column.type.microseconds if isinstance(column.type, UtcTime) else None


def _json(value: Any) -> str:
    return orjson.dumps(value, option=JSON_OPTIONS).decode()
