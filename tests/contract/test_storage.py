"""SQLite and a real PostgreSQL keep the same promises, and PostgreSQL may fail in every way that a server can."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from statistics import mean

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, insert, select
from sqlmodel import SQLModel

from app.completion import Usage
from app.errors import ConfigError, StorageUnavailable
from app.models.catalogue import Prices
from app.paths import project_path
from app.storage.database import Database, open_database
from app.storage.ended import count_ended, read_ended
from app.storage.engines import sync_engine
from app.storage.export import write_examples
from app.storage.migrate import migrate
from app.storage.recorder import Recorder
from app.storage.records import DecisionRecord, OutcomeRecord
from app.storage.repository import Deleted, Repository
from app.storage.rows import rows_of
from app.storage.spool import Spool
from app.storage.statistics import read_statistics
from app.storage.tables import table
from app.storage.url import parse_url
from tests.app.storage.samples import NOW, decision, feedback, outcome, until
from tests.servers.postgres import PASSWORD, Postgres

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture
def repository(database: Database) -> Repository:
    return Repository(database)


@asynccontextmanager
async def recording(url: str, folder: Path) -> AsyncIterator[Recorder]:
    database = open_database(url)
    recorder = Recorder(Repository(database), Spool(folder, 100), commit_timeout_s=0.5, retry_s=0.1)
    await recorder.start()
    try:
        yield recorder
    finally:
        await recorder.close()
        await database.close()


async def stored(database: Database, name: str = "decision") -> int:
    async with database.transaction(reads_only=True) as connection:
        return (await connection.execute(select(func.count()).select_from(table(name)))).scalar_one()


async def test_a_request_comes_back_as_it_was(repository: Repository) -> None:
    first, second = decision("r1", query_text="naïve 🎈"), outcome("r1")
    await repository.write([first], [])
    running = await repository.explain("acme", "r1")
    assert running is not None
    assert (running.decision, running.outcome, running.feedback) == (first, None, None)
    await repository.write([], [second])
    done = await repository.explain("acme", "r1")
    assert done is not None
    assert (done.decision, done.outcome) == (first, second)
    assert await repository.explain("other", "r1") is None
    assert await repository.explain("acme", "r2") is None


async def test_what_no_database_takes_is_replaced(repository: Repository) -> None:
    await repository.write([decision("r1", query_text="a\0b\ud83d")], [outcome("r1", answer_text="\0\ud83d")])
    found = await repository.explain("acme", "r1")
    assert found is not None
    assert found.decision is not None
    assert found.outcome is not None
    assert (found.decision.query_text, found.outcome.answer_text) == ("a\ufffdb?", "\ufffd?")


async def test_writing_again_changes_nothing(repository: Repository, database: Database) -> None:
    for tenant in ("acme", "other"):
        for _ in range(3):
            await repository.write([decision("r1", tenant=tenant)], [outcome("r1", tenant=tenant)])
            await repository.write([decision("r1", tenant=tenant, cause="rule")], [])
    assert [await stored(database, name) for name in ("decision", "outcome", "answer")] == [2, 2, 2]
    found = await repository.explain("other", "r1")
    assert found is not None
    assert found.decision == decision("r1", tenant="other")


async def test_an_outcome_may_come_first(repository: Repository) -> None:
    await repository.write([], [outcome("r1")])
    await repository.write([decision("r1")], [])
    found = await repository.explain("acme", "r1")
    assert found is not None
    assert (found.decision, found.outcome) == (decision("r1"), outcome("r1"))


async def test_the_last_rating_wins(repository: Repository) -> None:
    await repository.write([decision("r1")], [outcome("r1")])
    assert await repository.rate("acme", feedback("r1", 2, "no"))
    assert await repository.rate("acme", feedback("r1", 5))
    assert not await repository.rate("other", feedback("r1", 1))
    assert not await repository.rate("acme", feedback("r2", 1))
    found = await repository.explain("acme", "r1")
    assert found is not None
    assert found.feedback == feedback("r1", 5)


async def test_requests_that_share_a_clients_id(repository: Repository, database: Database) -> None:
    mine = [decision(f"r{i}", client_request_id="theirs", created_at=NOW + i * HOUR) for i in (0, 2, 1)]
    others = [decision("r9", tenant="other", client_request_id="theirs", created_at=NOW + 9 * HOUR)]
    for _ in range(2):  # as a spool does that is read again
        await repository.write([*mine, *others], [outcome("r2")])
    assert await stored(database) == 4
    newest = await repository.explain("acme", "theirs")
    assert newest is not None
    assert (newest.decision, newest.outcome) == (mine[1], outcome("r2"))
    assert await repository.rate("acme", feedback("theirs", 4)) == "r2"
    assert [await rating(repository, "acme", id_) for id_ in ("r0", "r1", "r2", "theirs")] == [None, None, 4, 4]
    assert await rating(repository, "other", "r9") is None
    assert await repository.rate("third", feedback("theirs", 1)) is None
    assert await repository.explain("third", "theirs") is None


async def test_our_own_id_goes_before_a_clients(repository: Repository) -> None:
    later = decision("r2", client_request_id="r1", created_at=NOW + HOUR)
    await repository.write([decision("r1"), later, decision("r3", client_request_id="early")], [outcome("early")])
    assert await repository.rate("acme", feedback("r1", 2)) == "r1"
    assert await repository.rate("acme", feedback("early", 3)) == "early"
    assert [await rating(repository, "acme", id_) for id_ in ("r1", "r2", "r3")] == [2, None, None]


@pytest.mark.parametrize("id_", ["a\0b", "\ud83d", "' OR 1=1 --", "%"])
async def test_an_id_of_any_text_may_be_asked_for(repository: Repository, id_: str) -> None:
    await repository.write([decision("r1", client_request_id="r0")], [])
    assert await repository.explain("acme", id_) is None
    assert await repository.rate("acme", feedback(id_, 1)) is None


async def rating(repository: Repository, tenant: str, id_: str) -> int | None:
    found = await repository.explain(tenant, id_)
    assert found is not None
    return found.feedback and found.feedback.rating


async def test_a_database_of_an_earlier_version_with_rows(database_url: str, repository: Repository) -> None:
    """Its requests keep their only id, which a client may have chosen."""
    at_first_migration(database_url, decision("chosen"))
    old = await repository.explain("acme", "chosen")
    assert old is not None
    assert old.decision == decision("chosen")
    await repository.write([decision("r2", client_request_id="chosen", created_at=NOW + HOUR)], [])
    assert await repository.rate("acme", feedback("chosen", 5)) == "chosen"
    assert (await repository.explain("acme", "r2")) is not None
    engine = sync_engine(parse_url(database_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    engine.dispose()


def at_first_migration(url: str, record: DecisionRecord) -> None:
    config = Config()
    config.set_main_option("script_location", str(project_path("app/storage/migrations")))
    row = rows_of([record], [])["decision"][0]
    engine = sync_engine(parse_url(url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        del row["client_request_id"]
        connection.execute(insert(table("decision")).values(row))
    engine.dispose()


async def test_deleting_a_user(repository: Repository, database: Database) -> None:
    await repository.write([decision(f"r{i}", user_id="bob") for i in range(2500)], [outcome("r1"), outcome("r2")])
    await repository.write([decision("ann's"), decision("r1", tenant="other", user_id="bob")], [outcome("ann's")])
    await repository.rate("acme", feedback("r1", 5))
    assert await repository.delete_user("acme", "bob") == Deleted(2500, 2, 1)
    counts = [await stored(database, name) for name in ("decision", "outcome", "answer", "feedback")]
    assert counts == [2, 1, 1, 0]


async def test_requests_expire_by_age(repository: Repository, database: Database) -> None:
    old = [outcome(f"r{i}", created_at=NOW - i * HOUR) for i in range(5)]
    await repository.write([decision(record.request_id, created_at=record.created_at) for record in old[:4]], old)
    await repository.rate("acme", feedback("r3", 5))
    assert await repository.expire(NOW - 2 * HOUR) == Deleted(1, 2, 1)
    counts = [await stored(database, name) for name in ("decision", "outcome", "answer", "feedback")]
    assert counts == [3, 3, 3, 0]


PRICES = {
    "small": Prices(input=1, output=2),
    "strong": Prices(input=10, output=50),
    "free": Prices(input=0, output=0),
    "unpriced": Prices(),
}


def traffic(count: int) -> list[OutcomeRecord]:
    """Two hours of it, the second inside the window of the tests."""
    chance = random.Random(5)
    return [
        outcome(
            f"r{i}",
            created_at=NOW - 2 * HOUR + i * 2 * HOUR / count,
            tenant=chance.choice(["acme", "other"]),
            tier=chance.choice(["free", "pro"]),
            domain=chance.choice(["coding", "math"]),
            model=None if i % 10 == 0 else chance.choice(list(PRICES)),
            error="upstream_timeout" if i % 10 == 0 else None,
            cache=chance.choice([None, None, "exact", "semantic"]),
            input_tokens=chance.randrange(1000),
            cost_usd=chance.choice([None, 0.5]),
            latency_ms=chance.lognormvariate(5, 1),
        )
        for i in range(count)
    ]


async def test_statistics_agree_with_counting_by_hand(repository: Repository, database: Database) -> None:
    everything = traffic(2000)
    chance = random.Random(6)
    ratings = {record.request_id: chance.randrange(1, 6) for record in everything if chance.random() < 0.5}
    await repository.write(
        [decision(one.request_id, tenant=one.tenant, created_at=one.created_at) for one in everything], []
    )
    for index, record in enumerate(everything):
        if index % 2:  # half of the ratings come before their outcome is stored
            await repository.write([], [record])
        if record.request_id in ratings:
            assert await repository.rate(record.tenant, feedback(record.request_id, ratings[record.request_id]))
    await repository.write([], everything)
    found = await read_statistics(database, NOW - HOUR, NOW, PRICES, "strong")
    inside = [record for record in everything if NOW - HOUR <= record.created_at < NOW]
    assert found.total.requests == len(inside) == 1000
    assert found.total.errors == sum(record.error is not None for record in inside)
    assert found.cache_hits == {name: sum(one.cache == name for one in inside) for name in ("exact", "semantic")}
    for groups, key in ((found.by_model, "model"), (found.by_tier, "tier"), (found.by_domain, "domain")):
        assert set(groups) == {getattr(record, key) for record in inside} - {None}
        for name, group in groups.items():
            those = [record for record in inside if getattr(record, key) == name]
            stars = [ratings[one.request_id] for one in those if one.request_id in ratings]
            assert (group.requests, group.ratings, group.average_rating) == (len(those), len(stars), mean(stars))
            assert group.usage == Usage(sum(one.input_tokens for one in those), 10 * len(those))
            assert group.unknown_cost == sum(one.cost_usd is None for one in those)
            assert group.cost_usd == sum(one.cost_usd or 0 for one in those)
    latencies = sorted(record.latency_ms for record in inside)
    assert found.latency.average_ms == pytest.approx(mean(latencies))
    assert found.latency.p95_ms == pytest.approx(latencies[949], rel=0.011)


async def test_savings_against_one_model_for_everything(repository: Repository, database: Database) -> None:
    await repository.write(
        [], [outcome(f"s{i}", model="strong", input_tokens=10**6, output_tokens=0) for i in range(30)]
    )
    await repository.write([], [outcome(f"p{i}", model="small", input_tokens=0, output_tokens=0) for i in range(30)])
    await repository.write(
        [], [outcome("unknown", cost_usd=None), outcome("failed", model=None, error="upstream_error")]
    )
    none_rated = (await read_statistics(database, NOW, NOW + HOUR, PRICES, "strong")).savings
    assert (none_rated.requests, none_rated.unknown_cost, none_rated.cost_usd) == (60, 1, 15.0)
    assert (none_rated.strongest.cost_usd, none_rated.strongest.saved_usd) == (300.0, 285.0)
    assert none_rated.best_single is None
    for i in range(30):
        await repository.rate("acme", feedback(f"s{i}", 4))
        await repository.rate("acme", feedback(f"p{i}", 5))
    rated = (await read_statistics(database, NOW, NOW + HOUR, PRICES, "unpriced")).savings
    assert (rated.strongest.cost_usd, rated.strongest.saved_usd) == (None, None)
    assert rated.best_single is not None
    assert (rated.best_single.model, rated.best_single.cost_usd) == ("small", 30.0)


async def test_statistics_count_more_tokens_than_one_answer_has(repository: Repository, database: Database) -> None:
    await repository.write([], [outcome(f"r{i}", input_tokens=2**31 - 1, output_tokens=0) for i in range(3)])
    found = await read_statistics(database, NOW, NOW + HOUR, PRICES, "strong")
    assert found.total.usage == Usage(3 * (2**31 - 1))


async def test_statistics_of_nothing(database: Database) -> None:
    found = await read_statistics(database, NOW, NOW + HOUR, PRICES, "strong")
    assert (found.total.requests, found.latency.p50_ms, found.by_model) == (0, None, {})


async def test_exporting_what_was_rated(repository: Repository, database: Database) -> None:
    failed = {"error": "upstream_error", "model": None}
    outcomes = [outcome("rated"), outcome("unrated"), outcome("failed", **failed), outcome("no text")]
    outcomes.append(outcome("our fault", **failed, fallbacks=["strong:upstream_unauthorized"]))
    decisions = [decision(one.request_id, query_text=None if one.request_id == "no text" else "q") for one in outcomes]
    await repository.write(decisions, outcomes)
    await repository.rate("acme", feedback("rated", 4))
    file = BytesIO()
    written, skipped = await write_examples(database, NOW, file)
    assert (written, sum(skipped.values()), skipped["not rated"], skipped["without text"]) == (2, 3, 1, 1)
    lines = {line["id"]: line for line in map(orjson.loads, file.getvalue().splitlines())}
    timeout = {"score": 0.0, "cost_usd": None, "in_tokens": 0, "out_tokens": 0}
    good = {"score": 0.75, "cost_usd": 0.25, "in_tokens": 100, "out_tokens": 10}
    assert lines["rated"]["outcomes"] == {"strong": timeout, "small": good}
    assert lines["failed"]["outcomes"] == {"strong": timeout}
    assert (lines["rated"]["query"], lines["rated"]["domain"], lines["rated"]["difficulty"]) == ("q", "coding", 0.25)


async def test_exporting_without_texts_is_an_error(repository: Repository, database: Database) -> None:
    await repository.write([decision("r1", query_text=None)], [outcome("r1")])
    with pytest.raises(ConfigError, match="set STORE_TEXT=full"):
        await write_examples(database, NOW, BytesIO())


async def test_a_newer_database_is_left_alone(database_url: str, repository: Repository) -> None:
    await repository.ping()
    engine = sync_engine(parse_url(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(ConfigError, match="at migration 9999, which this version of llm-router does not know"):
        migrate(parse_url(database_url))


async def test_processes_that_start_at_once_and_write(database_url: str, database: Database, tmp_path: Path) -> None:
    processes = [writing(database_url, tmp_path / "spool", f"p{i}-", 300) for i in range(4)]
    for process in processes:
        ids, _ = await asyncio.to_thread(process.communicate, timeout=60)
        assert (process.returncode, len(ids.splitlines())) == (0, 300)
    assert await stored(database) == 1200
    assert await stored(database, "outcome") == 1200


async def test_a_killed_process_loses_nothing_that_was_acknowledged(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    with writing(database_url, tmp_path / "spool", "p-", 1_000_000) as process:
        assert process.stdout is not None
        acknowledged = [await asyncio.to_thread(process.stdout.readline) for _ in range(200)]
        process.kill()
        acknowledged += process.stdout.readlines()
    async with database.transaction(reads_only=True) as connection:
        ids = set((await connection.execute(select(table("decision").c.request_id))).scalars())
    assert {line.decode().strip() for line in acknowledged if line.endswith(b"\n")} <= ids


def writing(url: str, spool: Path, prefix: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.app.storage.writing_process", url, str(spool), prefix, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


async def record_some(recorder: Recorder, prefix: str, count: int) -> None:
    for i in range(count):
        recorder.decided(decision(f"{prefix}{i}"))
        recorder.finished(outcome(f"{prefix}{i}"))
    await recorder.decided(decision(f"{prefix}last"))


async def check_everything_is_there_once(recorder: Recorder, url: str, rows: int) -> None:
    await until(lambda: recorder.status().state == "ok", 60)
    assert recorder.status().dropped_rows == 0
    assert recorder.status().set_aside_rows == 0
    database = open_database(url)
    await until_stored(database, rows)
    await database.close()


async def until_stored(database: Database, rows: int) -> None:
    async with asyncio.timeout(20):
        while await stored(database) < rows:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await stored(database) == rows


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
async def test_postgresql_stopped_and_started(postgres: Postgres, tmp_path: Path, how: signal.Signals) -> None:
    url = postgres.url(postgres.database())
    async with recording(url, tmp_path) as recorder:
        await record_some(recorder, "before", 50)
        await asyncio.to_thread(postgres.stop, how)
        try:
            await record_some(recorder, "during", 700)
            assert recorder.status().state == "spooling"
            assert recorder.status().spooled_rows > 0
        finally:
            await asyncio.to_thread(postgres.start)
        await record_some(recorder, "after", 50)
        await check_everything_is_there_once(recorder, url, 803)


async def test_postgresql_frozen(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.url(postgres.database())
    async with recording(url, tmp_path) as recorder:
        await record_some(recorder, "before", 50)
        with postgres.frozen():
            async with asyncio.timeout(5):
                await record_some(recorder, "during", 200)
                await record_some(recorder, "more", 200)
            assert recorder.status().last_error == "no commit within 0.5 s"
        await check_everything_is_there_once(recorder, url, 453)


async def test_connections_cut(postgres: Postgres, tmp_path: Path) -> None:
    name = postgres.database()
    url = postgres.url(name)
    async with recording(url, tmp_path) as recorder:
        for round_ in range(5):
            await record_some(recorder, f"round{round_}-", 50)
            await asyncio.to_thread(postgres.cut, name)
        await check_everything_is_there_once(recorder, url, 5 * 51)


async def test_a_router_that_starts_before_its_database(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.url(postgres.database())
    postgres.stop()
    try:
        with pytest.raises(StorageUnavailable, match=r"postgresql\+psycopg://postgres:\*\*\*@127.0.0.1"):
            migrate(parse_url(url))
        async with recording(url, tmp_path) as recorder:
            await record_some(recorder, "r", 10)
            await asyncio.to_thread(postgres.start)
            await check_everything_is_there_once(recorder, url, 11)
    finally:
        if not postgres.running:
            postgres.start()


async def test_a_locked_sqlite_file_is_waited_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/router.db"
    migrate(parse_url(url))
    engine = sync_engine(parse_url(url))
    async with recording(url, tmp_path / "spool") as recorder:
        with engine.begin():
            await record_some(recorder, "r", 10)
            assert recorder.status().state == "spooling"
        await check_everything_is_there_once(recorder, url, 11)
    engine.dispose()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ((PASSWORD, "other-word"), "password authentication failed"),
        (("postgres:", "nobody:"), "password authentication failed"),
        (("/postgres", "/missing"), 'database "missing" does not exist'),
    ],
)
def test_a_wrong_url_is_a_configuration_error(postgres: Postgres, wrong: tuple[str, str], words: str) -> None:
    scheme, rest = postgres.url("postgres").split("//")
    with pytest.raises(ConfigError, match=f"{words}.* check DATABASE_URL") as raised:
        migrate(parse_url(f"{scheme}//{rest.replace(*wrong)}"))
    assert PASSWORD not in str(raised.value)
    assert "other-word" not in str(raised.value)


async def test_ended_requests_come_in_pages_with_what_a_memory_needs(
    database: Database, repository: Repository
) -> None:
    times = {"b": NOW, "a": NOW, "c": NOW + timedelta(seconds=1), "d": NOW - timedelta(days=1)}
    await repository.write(
        [decision(id_, created_at=at, query_text=f"query {id_}") for id_, at in times.items()],
        [outcome(id_, created_at=at) for id_, at in times.items() if id_ != "d"],
    )
    await repository.rate("acme", feedback("a", 2))
    position, found = None, []
    while page := await read_ended(database, position, 2):
        assert await count_ended(database, position) == 3 - len(found)
        found += page
        position = page[-1].position
    assert [(one.text, one.rating) for one in found] == [("query a", 2), ("query b", None), ("query c", None)]
    assert found[0].outcome == outcome("a")
    assert found[0].user_id == "ann"
