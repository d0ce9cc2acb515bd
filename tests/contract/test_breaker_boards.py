"""Breakers of two replicas over a board: in a real Redis, and in the GCS (whose store is a fake here)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import pytest

from app.errors import UpstreamUnauthorized, UpstreamUnreachable
from app.memory.cache.redis_store import open_redis
from app.models.breaker import BreakerConfig, Breakers
from app.models.breaker_sync import Board, BreakerSync
from app.models.redis_board import RedisBoard
from app.observability.labels import BreakerState
from deployments import gcs_board
from tests.fakes.gcs import fake_gcs
from tests.fakes.router import catalogue
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.integration

MODEL = "medium"
MODELS = catalogue("http://127.0.0.1:9")
OPEN_S = 0.6


@pytest.fixture(params=["redis", "gcs"])
async def boards(
    request: pytest.FixtureRequest, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Board]]:
    """A new connection each time, as each replica has one."""
    monkeypatch.setattr(gcs_board, "internal_kv", fake_gcs())
    async with AsyncExitStack() as stack:

        def board() -> Board:
            if request.param == "gcs":
                return gcs_board.GcsBoard("router")
            client = open_redis(redis.url, timeout_s=0.3, connections=2)
            stack.push_async_callback(client.aclose)
            return RedisBoard(client)

        client = open_redis(redis.url, timeout_s=5, connections=1)
        await client.flushall()
        await client.aclose()
        yield board


@asynccontextmanager
async def replica(board: Board) -> AsyncIterator[Breakers]:
    breakers = Breakers(MODELS.models, threshold=1, config=BreakerConfig(open_s=OPEN_S))
    sync = BreakerSync(breakers, board, MODELS, every_s=0.05)
    sync.start()
    try:
        yield breakers
    finally:
        await sync.close()


@contextmanager
def failing(breakers: Breakers) -> Iterator[None]:
    with suppress(UpstreamUnreachable), breakers.watch(MODEL):
        yield
        raise UpstreamUnreachable("down")


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it does not come")


async def test_an_opening_and_a_closing_reach_the_other_replica_and_one_that_starts(
    boards: Callable[[], Board],
) -> None:
    async with replica(boards()) as first, replica(boards()) as second:
        with suppress(UpstreamUnauthorized), first.watch(MODEL):
            raise UpstreamUnauthorized("check the variable KEY")
        await until(lambda: second.blocks(MODEL))
        assert second.notes()[MODEL] == first.notes()[MODEL]
        assert second.notes()[MODEL].message == "check the variable KEY"
        async with replica(boards()) as third:
            await until(lambda: third.notes()[MODEL] == first.notes()[MODEL])
        await until(lambda: not second.blocks(MODEL))  # half-open, and the probe is its own
        with second.watch(MODEL):
            assert first.blocks(MODEL)
        await until(lambda: first.states()[MODEL] is BreakerState.CLOSED)
        assert not first.blocks(MODEL)


async def test_one_of_all_replicas_probes(boards: Callable[[], Board]) -> None:
    async with replica(boards()) as first, replica(boards()) as second:
        with failing(first):
            pass
        await until(lambda: second.blocks(MODEL))
        await asyncio.sleep(OPEN_S)
        probes, both = 0, (first, second)
        for _ in range(50):  # both replicas would probe all the time; the probe takes longer than they look
            open_now = [breakers for breakers in both if not breakers.blocks(MODEL)]
            assert len(open_now) <= 1
            if open_now:
                probes += 1
                with failing(open_now[0]):
                    await asyncio.sleep(0.3)
                    assert all(breakers.blocks(MODEL) for breakers in both)
            await asyncio.sleep(0.02)
        assert probes >= 1


async def test_a_lease_ends_and_is_renewed_by_its_owner_alone(boards: Callable[[], Board]) -> None:
    board, other = boards(), boards()
    assert await board.lease("m", "a", 0.3)
    assert not await other.lease("m", "b", 0.3)
    await other.release("m", "b")
    for _ in range(5):
        await asyncio.sleep(0.1)
        assert await board.lease("m", "a", 0.3)
        assert not await other.lease("m", "b", 0.3)
    assert await other.lease("n", "b", 0.3)
    await asyncio.sleep(0.7)
    assert await other.lease("m", "b", 0.3)
    await other.release("m", "b")
    assert await board.lease("m", "a", 0.3)


@pytest.mark.parametrize("how", ["stop", "pause"])
async def test_without_redis_each_replica_goes_by_what_it_sees(redis: RedisServer, how: str) -> None:
    clients = [open_redis(redis.url, timeout_s=0.3, connections=2) for _ in range(2)]
    async with replica(RedisBoard(clients[0])) as first, replica(RedisBoard(clients[1])) as second:
        getattr(redis, how)()
        try:
            with failing(first):
                pass
            assert first.blocks(MODEL)
            await until(lambda: not first.blocks(MODEL))  # it may probe all the same
            with failing(first):
                pass
            assert not second.blocks(MODEL)
        finally:
            redis.start() if how == "stop" else redis.resume()
        await until(lambda: second.notes()[MODEL] == first.notes()[MODEL])  # told when Redis is back
    for client in clients:
        await client.aclose()


async def test_a_gcs_that_hangs_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, release, kv = list[str](), threading.Event(), fake_gcs()

    def hang(key: str) -> None:
        asked.append(key)
        release.wait()

    kv._internal_kv_get = hang
    monkeypatch.setattr(gcs_board, "internal_kv", kv)
    board = gcs_board.GcsBoard("router")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await board.read()
    assert len(asked) == 1
    release.set()
