"""The Retriever over a real folder, and one that cannot be opened at first."""

import asyncio
from pathlib import Path

import pytest

from app.errors import ConfigError, MemoryUnavailable
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.feed import Batch
from app.memory.history.memory import PastOutcome, Rating
from app.memory.history.retriever import Retriever
from app.memory.history.store import History
from tests.app.memory.history.memories import memory, vector

ASKED = [("a", vector(0)), ("b", vector(0))]


async def test_what_was_remembered_and_rated_is_recalled_and_forgotten(tmp_path: Path) -> None:
    config = MemoryConfig(folder=str(tmp_path))
    retriever = Retriever(config, lambda: ChromaHistory.open(config, None))
    assert await retriever.remember(Batch()) == 0
    batch = Batch([memory("r1"), memory("r2", PastOutcome("large", 0.0))], [Rating("a", "r1", 0.75)])
    assert await retriever.remember(batch) == 2
    mine, others = await retriever.recall(ASKED)
    assert mine.success == pytest.approx({"small": 0.75, "large": 0.0})
    assert mine.sample_size == pytest.approx({"small": 1.0, "large": 1.0}, abs=0.001)
    assert (mine.neighbours, others.neighbours) == (2, 0)
    assert await retriever.forget("a", "u") == 2
    assert (await retriever.recall(ASKED))[0].neighbours == 0
    await retriever.close()


async def test_a_store_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    config = MemoryConfig(folder=str(tmp_path))
    held = await ChromaHistory.open(config, None)
    retriever = Retriever(config, lambda: ChromaHistory.open(config, None), retry_s=0.0)
    with pytest.raises(MemoryUnavailable, match="is being opened"):
        await retriever.recall(ASKED)
    with pytest.raises(MemoryUnavailable, match="another process has it open"):
        await retriever.remember(Batch())
    await held.close()
    assert await retriever.remember(Batch([memory("r1")])) == 1
    await retriever.close()


async def test_a_decision_does_not_wait_for_the_opening() -> None:
    opened = asyncio.Event()
    calls = 0

    async def open_() -> History:
        nonlocal calls
        calls += 1
        await opened.wait()
        raise ConfigError("broken")

    retriever = Retriever(MemoryConfig(), open_, retry_s=60.0)
    with pytest.raises(MemoryUnavailable, match="is being opened"):
        await retriever.recall(ASKED)
    waiting = asyncio.create_task(retriever.forget("a", "u"))
    await asyncio.sleep(0)
    opened.set()
    with pytest.raises(MemoryUnavailable, match="broken"):
        await waiting
    with pytest.raises(MemoryUnavailable, match="broken"):
        await retriever.recall(ASKED)
    assert calls == 1  # the next attempt comes later
