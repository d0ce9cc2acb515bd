"""The same memory in a folder and on a real Chroma server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigError, MemoryUnavailable
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.memory import PastOutcome, Rating
from tests.app.memory.history.memories import memory, vector
from tests.servers.chroma import running_chroma
from tests.servers.process import free_port

pytestmark = pytest.mark.integration

Open = Callable[..., Awaitable[ChromaHistory]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_chroma(tmp_path_factory.mktemp("chroma")) as server:
        yield server.url


@pytest.fixture(params=["folder", "server"])
async def open_(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a history, at first an empty one; one of before is closed."""
    url = request.getfixturevalue("server") if request.param == "server" else None
    opened: list[ChromaHistory] = []

    async def open_history(**options: Any) -> ChromaHistory:
        if opened:
            await opened.pop().close()
            fresh = False
        else:
            fresh = True
        config = MemoryConfig(folder=str(tmp_path / "memory"), **options)
        opened.append(await ChromaHistory.open(config, url, fresh=fresh))
        return opened[0]

    yield open_history
    for one in opened:
        await one.close()


async def recalled(history: ChromaHistory, tenant: str = "a") -> list[list[tuple[str, float | None]]]:
    """Models and their success of each neighbour."""
    (neighbours,) = await history.recall([(tenant, vector(0))])
    return [[(one.model, one.success) for one in neighbour.outcomes] for neighbour in neighbours]


async def test_an_empty_memory_recalls_nothing(open_: Open) -> None:
    history = await open_()
    assert await history.recall([("a", vector(0)), ("b", vector(0))]) == [[], []]
    assert await history.count() == 0
    await history.rate([Rating("a", "r1", 1.0)])
    assert await history.forget_user("a", "u") == 0


async def test_the_nearest_come_first_with_all_that_was_remembered(open_: Open) -> None:
    history = await open_(neighbours=2)
    told = PastOutcome("large", 0.75, 0.5, 0.01, 1200.0, 300)
    far, near = memory("far", angle=90), memory("near", PastOutcome("small", 0.0), told, angle=30, age_s=1000)
    await history.add([far, memory("middle", angle=50), near])
    (neighbours,) = await history.recall([("a", vector(0))])
    assert [one.similarity for one in neighbours] == pytest.approx([0.866, 0.643], abs=0.001)
    assert neighbours[0].outcomes == (PastOutcome("small", 0.0), told)
    assert neighbours[0].age_s == pytest.approx(1000, abs=60)


async def test_a_batch_of_several_tenants_is_answered_in_its_order_and_never_across_them(open_: Open) -> None:
    history = await open_()
    names = {"a": "of-a", "b": "of-b"}
    await history.add([memory("same", PastOutcome(model, 1.0), tenant=tenant) for tenant, model in names.items()])
    asked = [(tenant, vector(0)) for tenant in ("b", "a", "nobody", "b")]
    found = [[one.outcomes[0].model for one in neighbours] for neighbours in await history.recall(asked)]
    assert found == [["of-b"], ["of-a"], [], ["of-b"]]


async def test_the_scope_all_shares_memories_but_not_the_right_to_change_them(open_: Open) -> None:
    history = await open_(scope="all")
    await history.add([memory("same", tenant="a"), memory("same", tenant="b", angle=10)])
    await history.rate([Rating("b", "same", 0.25)])
    assert await recalled(history, "c") == [[("small", None)], [("small", 0.25)]]
    assert await history.forget_user("a", "u") == 1
    assert await recalled(history, "c") == [[("small", 0.25)]]


async def test_a_rating_judges_the_answer_and_the_last_one_wins(open_: Open) -> None:
    history = await open_()
    await history.add([memory("r1", PastOutcome("broken", 0.0), PastOutcome("small", output_tokens=7))])
    await history.rate([Rating("a", "r1", 1.0), Rating("a", "unknown", 1.0), Rating("a", "r1", 0.5)])
    assert await recalled(history) == [[("broken", 0.0), ("small", 0.5)]]
    (neighbours,) = await history.recall([("a", vector(0))])
    assert neighbours[0].outcomes[1].output_tokens == 7
    assert await history.count() == 1


async def test_what_is_remembered_twice_is_there_once(open_: Open) -> None:
    history = await open_()
    await history.add([memory("r1"), memory("r1", PastOutcome("small", 1.0))])
    await history.add([memory("r1", PastOutcome("small", 0.0))])
    assert await recalled(history) == [[("small", 0.0)]]


async def test_beyond_the_bound_the_oldest_go(open_: Open) -> None:
    history = await open_(max_memories=100, neighbours=100)
    await history.add([memory(f"r{number}", PastOutcome(f"m{number}", 1.0)) for number in range(150)])
    await history.add([memory("x", PastOutcome("m150", 1.0)), memory("b", tenant="b")])
    assert 99 <= await history.count() - 1 <= 100
    kept = {name for [(name, _)] in await recalled(history)}
    assert kept >= {f"m{number}" for number in range(60, 151)}
    assert not kept & {f"m{number}" for number in range(50)}


async def test_a_user_is_forgotten(open_: Open) -> None:
    history = await open_()
    mine = [memory(f"r{number}", user_id="me") for number in range(70)]
    await history.add([*mine, memory("other", PastOutcome("kept", 1.0)), memory("r1", user_id="me", tenant="b")])
    assert await history.forget_user("a", "me") == 70
    assert await history.forget_user("a", "me") == 0
    assert await recalled(history) == [[("kept", 1.0)]]
    assert await history.count() == 2


async def test_memories_outlive_the_process(open_: Open) -> None:
    await (await open_()).add([memory("r1", PastOutcome("small", 1.0))])
    history = await open_()
    assert await history.count() == 1
    assert await recalled(history) == [[("small", 1.0)]]


async def test_memories_of_another_encoder_are_refused(open_: Open) -> None:
    history = await open_()
    await history.add([memory("r1")])
    other = history._shelves.find("a")
    assert other is not None
    other.modify(metadata={"encoder": "other", "dimension": 768, "format": 1})
    with pytest.raises(ConfigError, match=r"encoder 'other', not 'all-MiniLM.*dimension 768, not 384.*--fresh"):
        await open_()


async def test_a_collection_that_somebody_else_deleted_is_made_anew(open_: Open) -> None:
    history = await open_()
    await history.add([memory("r1")])
    history._connection.client.delete_collection(history._shelves.name("a"))
    assert await recalled(history) == []
    await history.add([memory("r2", PastOutcome("new", 1.0))])
    assert await recalled(history) == [[("new", 1.0)]]


async def test_lookups_come_in_between_what_is_written(open_: Open) -> None:
    history = await open_()
    writing = asyncio.create_task(history.add([memory(f"r{number}") for number in range(320)]))
    await asyncio.sleep(0)
    await history.recall([("a", vector(0))])
    assert not writing.done()
    await writing


async def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    config = MemoryConfig(folder=str(tmp_path))
    history = await ChromaHistory.open(config, None)
    with pytest.raises(ConfigError, match="another process has it open, and only one may write"):
        await ChromaHistory.open(config, None)
    await history.close()
    await (await ChromaHistory.open(config, None)).close()


async def test_a_broken_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigError, match=r"Chroma cannot open it .*; move it away"):
        await ChromaHistory.open(MemoryConfig(folder=str(tmp_path)), None)


async def test_a_server_that_is_not_there_may_come() -> None:
    with pytest.raises(MemoryUnavailable, match="refused"):
        await ChromaHistory.open(MemoryConfig(), f"http://localhost:{free_port()}")


@pytest.mark.parametrize("url", ["localhost:8000", "http://", "http://host:port", "http://host/path"])
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="CHROMA_URL"):
        await ChromaHistory.open(MemoryConfig(), url)
