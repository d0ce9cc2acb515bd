"""Engines of SQLAlchemy for both kinds of database, with the same behaviour of transactions."""

from typing import Any

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_S = 5.0
BUSY_PRAGMA = f"busy_timeout={BUSY_S * 1000:.0f}"
READS_ONLY = {"reads_only": True}


def sync_engine(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True)
    if url.drivername == "sqlite":
        _prepare_sqlite(engine)
    return engine


def async_engine(url: URL, pool_size: int) -> AsyncEngine:
    usual: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": BUSY_S}
    usual |= {"hide_parameters": True, "json_deserializer": orjson.loads}
    if url.drivername != "sqlite":
        return create_async_engine(url, pool_pre_ping=True, **usual)
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), **usual)
    _prepare_sqlite(engine.sync_engine)
    return engine


def _prepare_sqlite(engine: Engine) -> None:
    """Transactions that begin where we say; a writer takes its lock at once, and waits for another's.

    synchronous=NORMAL: a commit survives the death of this process, and of the machine once a checkpoint has come by.
    Checkpoints are the business of SqliteBulk: by itself SQLite makes a request wait for one, for tens of milliseconds.
    """

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {BUSY_PRAGMA}")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads_only = READS_ONLY.items() <= connection.get_execution_options().items()
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
