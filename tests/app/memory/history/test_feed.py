"""The feed against a store that is slow, away, or gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from app.errors import MemoryUnavailable
from app.memory.history import feed as feed_module
from app.memory.history.feed import BATCH, TRIES, Batch, MemoryFeed
from app.memory.history.memory import Rating
from tests.app.memory.history.memories import memory


class FakeStore:
    """Takes batches unless it is away."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.asked = 0
        self.batches: list[Batch] = []

    async def send(self, batch: Batch) -> int:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise MemoryUnavailable("away")
        if batch.memories or batch.ratings:
            self.batches.append(batch)
        return sum(len(one.memories) for one in self.batches)


@asynccontextmanager
async def running(send: Callable[[Batch], Awaitable[int]]) -> AsyncIterator[MemoryFeed]:
    feed = MemoryFeed(send, every_s=0.001)
    feed.start()
    try:
        yield feed
    finally:
        await feed.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0.001)


async def test_events_go_in_batches_and_the_rest_when_it_closes() -> None:
    store = FakeStore()
    async with running(store.send) as feed:
        for number in range(BATCH + 10):
            feed.add(memory(f"r{number}"))
        feed.add(Rating("a", "r0", 1.0))
    assert [len(one.memories) for one in store.batches] == [BATCH, 10]
    assert store.batches[1].ratings == (Rating("a", "r0", 1.0),)
    assert feed.status.dropped == 0


async def test_the_store_is_asked_how_it_is_before_anything_happens() -> None:
    store = FakeStore()
    async with running(store.send) as feed:
        await until(lambda: feed.status.count == 0)
        assert feed.status.last_success is not None


async def test_a_store_that_comes_back_gets_everything_in_order() -> None:
    store = FakeStore(failures=3)
    async with running(store.send) as feed:
        for number in range(3):
            feed.add(memory(f"r{number}"))
        await until(lambda: feed.status.last_error)
        assert feed.status.last_error == "MemoryUnavailable: away"
        await until(lambda: feed.status.count == 3)
    assert [one.request_id for batch in store.batches for one in batch.memories] == ["r0", "r1", "r2"]
    assert (feed.status.last_error, feed.status.dropped) == (None, 0)


async def test_a_batch_that_the_store_never_takes_is_dropped_and_the_next_one_goes() -> None:
    store = FakeStore(failures=TRIES + 1)  # the first question after its health fails too
    async with running(store.send) as feed:
        await until(lambda: store.asked == 1)
        feed.add(memory("lost"))
        await until(lambda: feed.status.dropped == 1)
        feed.add(memory("kept"))
        await until(lambda: store.batches)
    assert [one.request_id for batch in store.batches for one in batch.memories] == ["kept"]


async def test_what_is_too_much_costs_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_WAITING", 5)
    store = FakeStore()
    feed = MemoryFeed(store.send)
    for number in range(8):
        feed.add(memory(f"r{number}"))
    assert feed.status.dropped == 3
    feed.start()
    await feed.close()
    assert [one.request_id for batch in store.batches for one in batch.memories] == [f"r{n}" for n in range(3, 8)]


async def test_a_store_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "CLOSE_WITHIN_S", 0.01)

    async def hangs(_: Batch) -> int:
        await asyncio.Event().wait()
        return 0

    async with asyncio.timeout(10), running(hangs) as feed:
        feed.add(memory("r1"))
    assert feed.status.last_success is None
