import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.storage.recorder import Recorder
from app.storage.spool import Spool, encode
from app.storage.writer import Writer
from tests.app.storage.samples import FakeStore, decision, outcome, until

TIMES = {"commit_timeout_s": 0.1, "retry_s": 0.02}


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@asynccontextmanager
async def recording(store: FakeStore, folder: Path, max_mb: float = 1.0) -> AsyncIterator[Recorder]:
    recorder = Recorder(store, Spool(folder, max_mb), **TIMES)
    await recorder.start()
    try:
        yield recorder
    finally:
        await recorder.close()


async def test_what_gathers_during_a_commit_goes_into_the_next(store: FakeStore, tmp_path: Path) -> None:
    async with recording(store, tmp_path) as recorder:
        await recorder.decided(decision("first"))
        await asyncio.gather(*(recorder.decided(decision(f"r{i}")) for i in range(50)))
        assert recorder.status().state == "ok"
        assert recorder.status().last_success is not None
    batches = [batch for batch in store.batches if batch]
    assert batches == [["first"], [f"r{i}" for i in range(50)]]


async def test_an_outcome_needs_no_decision_to_leave(store: FakeStore, tmp_path: Path) -> None:
    async with recording(store, tmp_path) as recorder:
        recorder.finished(outcome("r1"))
        await until(lambda: store.stored == ["r1"])
    assert store.stored == ["r1"]  # once, also after what closing flushes


async def test_closing_flushes(store: FakeStore, tmp_path: Path) -> None:
    async with recording(store, tmp_path) as recorder:
        waiting = recorder.decided(decision("r1"))
        recorder.finished(outcome("r2"))
    assert waiting.done()
    assert store.stored == ["r1", "r2"]


async def test_a_database_that_is_down_is_spooled_for_and_caught_up_with(store: FakeStore, tmp_path: Path) -> None:
    async with recording(store, tmp_path) as recorder:
        store.down = True
        for i in range(1200):
            waiting = recorder.decided(decision(f"r{i}"))
            if i % 100 == 0:
                await waiting
        await recorder.decided(decision("r1200"))
        status = recorder.status()
        assert (status.state, status.spooled_rows, status.last_error) == ("spooling", 1201, "the database is down")
        store.down = False
        await until(lambda: recorder.status().state == "ok")
        assert recorder.status().spooled_rows == 0
        assert recorder.status().last_error is None
    assert store.stored == [f"r{i}" for i in range(1201)]
    assert files(tmp_path) == {}


async def test_a_database_that_hangs_makes_nobody_wait_longer_than_the_timeout(
    store: FakeStore, tmp_path: Path
) -> None:
    async with recording(store, tmp_path) as recorder:
        store.answers.clear()
        await recorder.decided(decision("slow"))
        assert recorder.status().last_error == "no commit within 0.1 s"
        await recorder.decided(decision("direct"))
        assert recorder.status().spooled_rows == 2
        store.answers.set()
        await until(lambda: recorder.status().state == "ok")
    assert set(store.stored) == {"slow", "direct"}


async def test_a_hanging_database_does_not_hinder_closing(store: FakeStore, tmp_path: Path) -> None:
    async with recording(store, tmp_path) as recorder:
        store.answers.clear()
        await recorder.decided(decision("r1"))
    store.answers.set()
    async with recording(store, tmp_path) as recorder:
        await until(lambda: store.stored == ["r1"])
        await until(lambda: recorder.status().state == "ok")
    assert store.stored == ["r1"]
    assert files(tmp_path) == {}


async def test_a_full_spool_loses_rows_and_says_so(store: FakeStore, tmp_path: Path) -> None:
    async with recording(store, tmp_path, max_mb=0.002) as recorder:
        store.down = True
        for i in range(5):
            await recorder.decided(decision(f"r{i}"))
        status = recorder.status()
        kept = status.spooled_rows
        assert (status.state, status.dropped_rows, kept) == ("full", 5 - kept, kept)
        assert kept > 0
        assert "spool full" in str(status.last_error)
        store.down = False
        await until(lambda: recorder.status().state == "ok")
        assert recorder.status().dropped_rows == 5 - kept
        await recorder.decided(decision("after"))
    assert store.stored == [*(f"r{i}" for i in range(kept)), "after"]


async def test_a_full_spool_stays_the_error_that_is_shown(store: FakeStore, tmp_path: Path) -> None:
    store.down = True
    writer = Writer(store, Spool(tmp_path, max_mb=0.0), TIMES["commit_timeout_s"])
    await writer.keep([decision("r1")])
    assert not await writer.commit([])  # as the recorder tries from time to time
    assert (writer.status().state, str(writer.status().last_error)[:11]) == ("full", "spool full:")
    await writer.close()


async def test_a_spool_folder_that_cannot_be_written_loses_rows_and_says_so(store: FakeStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with recording(store, tmp_path / "file" / "spool") as recorder:
        store.down = True
        await recorder.decided(decision("r1"))
        assert recorder.status().state == "full"
        assert "Not a directory" in str(recorder.status().last_error)


async def test_a_row_that_the_database_refuses_is_set_aside_alone(store: FakeStore, tmp_path: Path) -> None:
    store.refused = {"r3"}
    async with recording(store, tmp_path) as recorder:
        await asyncio.gather(*(recorder.decided(decision(f"r{i}")) for i in range(8)))
        assert recorder.status().state == "ok"
        assert recorder.status().set_aside_rows == 1
    assert store.stored == ["r0", "r1", "r2", "r4", "r5", "r6", "r7"]
    assert list(files(tmp_path).values()) == [encode(decision("r3"))]


async def test_what_a_dead_process_left_is_adopted_and_its_torn_line_kept(store: FakeStore, tmp_path: Path) -> None:
    torn = encode(decision("torn"))[:-40]
    (tmp_path / "99-dead.jsonl").write_bytes(encode(decision("r1")) + encode(outcome("r1")) + torn)
    async with recording(store, tmp_path) as recorder:
        await until(lambda: "99-dead.jsonl" not in files(tmp_path))
        assert recorder.status().set_aside_rows == 1
        assert recorder.status().state == "ok"
    assert store.stored == ["r1", "r1"]
    assert list(files(tmp_path).values()) == [torn + b"\n"]


async def test_the_spool_of_a_living_process_is_left_alone(store: FakeStore, tmp_path: Path) -> None:
    living = Spool(tmp_path, 1.0)
    living.append([decision("theirs")])
    async with recording(store, tmp_path) as recorder:
        await recorder.decided(decision("ours"))
        await asyncio.sleep(0.1)
    assert store.stored == ["ours"]
    living.close()
    async with recording(store, tmp_path):
        await until(lambda: store.stored == ["ours", "theirs"])
