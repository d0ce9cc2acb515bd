import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

from app.errors import ConfigError
from app.storage import tables
from app.storage.engines import sync_engine
from app.storage.migrate import migrate
from app.storage.url import parse_url, shown

MIGRATE = """
import sys
from app.storage.migrate import migrate
from app.storage.url import parse_url
migrate(parse_url(sys.argv[1]))
"""


def test_migrations_make_the_tables_that_the_code_expects(tmp_path: Path) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/new/folder/router.db")
    migrate(url)
    migrate(url)
    assert tables.table("decision") is not None
    with sync_engine(url).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []


def test_processes_that_start_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MIGRATE, f"sqlite:///{tmp_path}/router.db"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[1].decode() for process in processes] == [""] * 4


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/router.db")
    migrate(url)
    with sqlite3.connect(tmp_path / "router.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigError, match=r"router.db is at migration 9999, .* a newer version wrote it; run that"):
        migrate(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "router.db").write_bytes(b"not a database, but long enough to be taken for one " * 100)
    with pytest.raises(ConfigError, match=r"router.db cannot be used: file is not a database; check DATABASE_URL"):
        migrate(parse_url(f"sqlite:///{tmp_path}/router.db"))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="File exists"):
        migrate(parse_url(f"sqlite:///{tmp_path}/file/router.db"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is not the address of a database"),
        ("router.db", "is not the address of a database"),
        ("postgresql://u:secret@host:port/db", "is not the address of a database"),
        ("mysql://u:secret@host/db", "'mysql' is not a database known here"),
        ("postgresql://u:secret@host", "names no database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://host/file.db", "names no file"),
    ],
)
def test_wrong_urls(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        parse_url(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_spellings_of_postgresql(scheme: str) -> None:
    url = parse_url(f"{scheme}://u:secret@host:5432/db?ssl=require")
    assert (url.drivername, url.query["sslmode"]) == ("postgresql+psycopg", "require")
    assert shown(url) == "postgresql+psycopg://u:***@host:5432/db"
