import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import StorageUnavailable
from app.storage import bulk
from app.storage.database import Database, open_database
from app.storage.repository import Repository
from app.storage.rows import rows_of
from tests.app.storage.samples import decision


async def write(database: Database, first: int, count: int) -> None:
    for number in range(first, first + count):
        await Repository(database).write([decision(f"r{number}")], [])


async def test_the_log_goes_back_into_the_file_and_waits_for_nobody_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHECKPOINT_ROWS", 40)
    file, log = tmp_path / "router.db", tmp_path / "router.db-wal"
    database = open_database(f"sqlite:///{file}")
    await write(database, 0, 1)
    with sqlite3.connect(file) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM decision").fetchone() == (1,)
        await write(database, 1, 100)
        grown = log.stat().st_size
        assert grown > 0
    reader.close()
    written = 101
    async with asyncio.timeout(20):
        while log.stat().st_size >= grown:  # a write that is in its way leaves the log for the next time
            await write(database, written, 40)
            written += 40
            await asyncio.sleep(0.01)
    await database.close()
    with sqlite3.connect(file) as reader:
        assert reader.execute("SELECT count(*) FROM decision").fetchone() == (written,)
    reader.close()


async def test_another_writer_holds_up_a_commit_and_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "router.db"
    database = open_database(f"sqlite:///{file}")
    await write(database, 0, 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        commit = asyncio.create_task(write(database, 1, 1))
        done, _ = await asyncio.wait({commit}, timeout=0.1)
        assert not done
        writer.execute("ROLLBACK")
        await commit
        assert writer.execute("SELECT count(*) FROM decision").fetchone() == (2,)
    await database.close()


async def test_a_row_that_is_none_locks_out_no_other_writer(tmp_path: Path) -> None:
    file = tmp_path / "router.db"
    database = open_database(f"sqlite:///{file}")
    with pytest.raises(TypeError):
        await database.add(rows_of([decision("r0", features={"tokens": object()})], []))
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("ROLLBACK")
    await database.close()


async def test_a_file_that_cannot_be_opened_is_no_fault_of_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "router.db"
    database = open_database(f"sqlite:///{file}")
    await database.prepare()
    file.unlink()
    file.mkdir()
    with pytest.raises(StorageUnavailable):
        await write(database, 0, 1)
    await database.close()
