import asyncio

from app.memory.cache.shield import CacheState, Shield


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Store:
    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.hangs = False
        self.value: str | None = "value"

    async def __call__(self) -> str | None:
        self.calls += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return self.value


def shield(clock: Clock) -> Shield:
    return Shield("exact", timeout_s=0.01, retry_after_s=1.0, clock=clock)


async def test_hits_and_misses_are_counted() -> None:
    guard, store = shield(Clock()), Store()

    assert await guard.lookup(store) == "value"
    store.value = None
    assert await guard.lookup(store) is None

    status = guard.status()
    assert (status.state, status.hits, status.misses, status.errors) == (CacheState.OK, 1, 1, 0)
    assert status.last_success is not None


async def test_a_failure_is_a_miss_and_keeps_the_next_ones_away() -> None:
    guard, store = shield(Clock()), Store()
    store.error = ConnectionError("refused")

    assert [await guard.lookup(store) for _ in range(5)] == [None] * 5

    status = guard.status()
    assert store.calls == 1
    assert (status.state, status.misses, status.errors, status.skipped) == (CacheState.DOWN, 5, 1, 4)
    assert status.last_error == "ConnectionError: refused"


async def test_a_store_that_hangs_is_left() -> None:
    guard, store = shield(Clock()), Store()
    store.hangs = True

    assert await guard.lookup(store) is None
    assert guard.status().state is CacheState.DOWN


async def test_one_call_at_a_time_looks_whether_it_is_back() -> None:
    clock = Clock()
    guard, store = shield(clock), Store()
    store.error = ConnectionError("refused")
    await guard.lookup(store)
    clock.now = 1.0

    await asyncio.gather(*(guard.lookup(store) for _ in range(5)))

    assert store.calls == 2


async def test_a_store_that_stays_down_is_asked_less_and_less() -> None:
    clock = Clock()
    guard, store = shield(clock), Store()
    store.error = ConnectionError("refused")
    asked = []
    for tenth in range(50):
        clock.now = tenth / 10 + 0.001 * tenth
        before = store.calls
        await guard.lookup(store)
        if store.calls > before:
            asked.append(tenth)

    assert asked[:5] == [0, 1, 3, 7, 15]
    assert asked[5:] == [25, 35, 45]


async def test_it_is_used_again_when_it_is_back() -> None:
    clock = Clock()
    guard, store = shield(clock), Store()
    store.error = ConnectionError("refused")
    await guard.lookup(store)
    store.error, clock.now = None, 1.0

    assert await guard.lookup(store) == "value"
    assert await guard.lookup(store) == "value"
    assert guard.status().state is CacheState.OK


async def test_a_write_that_fails_is_lost_in_silence() -> None:
    guard = shield(Clock())

    async def write() -> None:
        raise OSError("no")

    await guard.write(write)

    assert guard.status().errors == 1
