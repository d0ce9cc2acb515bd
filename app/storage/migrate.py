"""Brings the tables up to this version's, at start. Safe when several processes start at once."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import SQLAlchemyError

from app.errors import ConfigError, RouterError, StorageUnavailable
from app.storage.engines import BUSY_S, sync_engine
from app.storage.url import reason, shown, sqlite_file

LOCK_KEY = 0x6C6C6D72  # any number, the same for every process: "llmr"
WRONG_SETTINGS = ("password authentication", "does not exist", "no pg_hba.conf entry", "unable to open", "readonly")


def migrate(url: URL) -> None:
    """Blocks, all migrations in one transaction.

    Raises ConfigError when this database can never work as it is, StorageUnavailable when it may work later.
    """
    engine = sync_engine(url)
    try:
        with _only_one(url), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            _upgrade(connection, shown(url))
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise _meaning(url, error) from error
    finally:
        engine.dispose()


def _meaning(url: URL, error: Exception) -> RouterError:
    words = reason(error, url)
    may_pass = isinstance(getattr(error, "orig", error), sqlite3.OperationalError | psycopg.OperationalError)
    if may_pass and not any(wrong in words for wrong in WRONG_SETTINGS):
        return StorageUnavailable(f"database {shown(url)}: {words}")
    return ConfigError(f"database {shown(url)} cannot be used: {words}; check DATABASE_URL, {_hint(url)}")


def _hint(url: URL) -> str:
    if url.drivername == "sqlite":
        return "and that the path is a SQLite file, or new, in a folder that may be written"
    return "and that the database exists and the user may create tables in it"


@contextmanager
def _only_one(url: URL) -> Iterator[None]:
    """SQLite: one process at a time creates the file and turns the write-ahead log on; its own locks come too late."""
    if url.drivername != "sqlite":
        yield
        return
    file = sqlite_file(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with closing(sqlite3.connect(file, timeout=BUSY_S)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        yield


def _upgrade(connection: Connection, name: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_heads()
    unknown = set(current) - {revision.revision for revision in script.walk_revisions()}
    if unknown:
        raise ConfigError(
            f"database {name} is at migration {', '.join(sorted(unknown))}, which this version of llm-router does not "
            "know: a newer version wrote it; run that version, or give another database in DATABASE_URL"
        )
    if current != tuple(script.get_heads()):
        command.upgrade(config, "head")
