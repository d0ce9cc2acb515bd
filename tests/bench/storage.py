"""python -m tests.bench.storage [--rows 1000000] [--only sqlite|postgresql]: what storage costs, on both databases.

Recording: one client waiting for each decision, then many at a steady rate, with the CPU that recording took.
Statistics: over `--rows` stored requests of the last 24 hours, one in ten rated, seeded; three runs, each printed.
"""

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import insert

from app.models.catalogue import Prices
from app.storage.database import open_database
from app.storage.engines import sync_engine
from app.storage.migrate import migrate
from app.storage.recorder import Recorder
from app.storage.records import OutcomeRecord
from app.storage.repository import Repository
from app.storage.rows import feedback_row, rows_of
from app.storage.spool import Spool
from app.storage.statistics import read_statistics
from app.storage.tables import table
from app.storage.url import parse_url
from tests.app.storage.samples import decision, feedback, outcome
from tests.servers.postgres import running_postgres

MODELS = ("llama", "gpt-small", "gpt-large", "claude-small", "claude-large", "qwen", "mistral", "mini")
DOMAINS = ("coding", "math", "analytical", "science", "health", "business", "humanities", "creative", "general")
RATE, SECONDS = 1000, 8
LOAD_ROWS = 20_000


async def record(url: str, folder: Path) -> None:
    database = open_database(url)
    recorder = Recorder(Repository(database), Spool(folder, 100))
    await recorder.start()
    await recorder.decided(decision("warm up"))
    waited = [await _one(recorder, f"alone{i}") for i in range(500)]
    print(f"  one after the other: {median(waited) * 1000:.2f} ms a decision at p50")
    cpu, started, tasks = _cpu_s(), time.perf_counter(), []
    for i in range(RATE * SECONDS):
        tasks.append(asyncio.create_task(_one(recorder, f"steady{i}")))
        await asyncio.sleep(max(0.0, started + (i + 1) / RATE - time.perf_counter()))
    waited = sorted(await asyncio.gather(*tasks))
    cpu, elapsed = _cpu_s() - cpu, time.perf_counter() - started
    p50, p99 = waited[len(waited) // 2] * 1000, waited[len(waited) * 99 // 100] * 1000
    rate = len(waited) / elapsed
    print(f"  {rate:.0f} requests/s: p50 {p50:.2f} ms, p99 {p99:.2f} ms; {cpu / elapsed * 100:.0f} % of a core")
    started = time.perf_counter()
    for round_ in range(40):
        await asyncio.gather(*(_one(recorder, f"burst{round_}-{i}") for i in range(250)))
    print(f"  250 at once, again and again: {40 * 250 / (time.perf_counter() - started):.0f} requests/s")
    print(f"  {recorder.status()}")
    await recorder.close()
    await database.close()


async def _one(recorder: Recorder, id_: str) -> float:
    """Seconds that a request waits for its decision to be safe."""
    started = time.perf_counter()
    await recorder.decided(decision(id_))
    waited = time.perf_counter() - started
    recorder.finished(outcome(id_))
    return waited


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def load(url: str, rows: int) -> None:
    started, parsed = time.perf_counter(), parse_url(url)
    migrate(parsed)
    engine, chance = sync_engine(parsed), random.Random(3)
    kinds: dict[int, Any] = {}
    batch: list[OutcomeRecord] = []

    def flush() -> None:
        found = rows_of([], batch)
        new = {row["id"]: row for row in found["outcome_kind"] if row["id"] not in kinds}
        kinds.update(new)
        stored = found["outcome"]
        rated = [row for row in stored if chance.random() < 0.1]
        with engine.begin() as connection:
            if new:
                connection.execute(insert(table("outcome_kind")), list(new.values()))
            connection.execute(insert(table("outcome")), stored)
            connection.execute(insert(table("feedback")), [_rating(row, chance.randrange(1, 6)) for row in rated])
        batch.clear()

    for one in traffic(rows):
        batch.append(one)
        if len(batch) == LOAD_ROWS:
            flush()
    if batch:
        flush()
    engine.dispose()
    print(f"  {rows:,} requests of {len(kinds)} kinds loaded in {time.perf_counter() - started:.0f} s")


def _rating(row: dict[str, Any], rating: int) -> dict[str, Any]:
    given = feedback_row(row["tenant"], feedback(row["request_id"], rating))
    return {**given, "requested_at": row["created_at"], "kind": row["kind"]}


def traffic(rows: int) -> Iterator[OutcomeRecord]:
    chance, now = random.Random(1), datetime.now(UTC)
    for i in range(rows):
        failed = chance.random() < 0.02
        yield outcome(
            f"{chance.getrandbits(128):032x}",
            tenant=f"tenant{chance.randrange(5)}",
            tier=chance.choice(("free", "pro", "enterprise")),
            domain=chance.choice(DOMAINS),
            created_at=now - timedelta(hours=24) * ((rows - i) / rows),
            model=None if failed else chance.choice(MODELS),
            error="upstream_timeout" if failed else None,
            cache=chance.choice(("exact", "semantic", *[None] * 8)),
            input_tokens=chance.randrange(2000),
            output_tokens=chance.randrange(800),
            cost_usd=None if chance.random() < 0.1 else chance.random() / 100,
            latency_ms=chance.lognormvariate(6, 1),
        )


async def read(url: str) -> None:
    database = open_database(url)
    prices, now = {model: Prices(input=1, output=4) for model in MODELS}, datetime.now(UTC)
    for window in (timedelta(hours=25), timedelta(hours=1)):
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            found = await read_statistics(database, now - window, now, prices, MODELS[0])
            seconds.append(time.perf_counter() - started)
        print(f"  statistics over {found.total.requests:,}: {', '.join(f'{one:.2f}' for one in seconds)} s")
    await database.close()


def measure(name: str, url: str, loaded_url: str, rows: int, folder: Path) -> None:
    print(f"{name}\n recording")
    asyncio.run(record(url, folder / "spool"))
    print(" statistics")
    load(loaded_url, rows)
    asyncio.run(read(loaded_url))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.storage")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only != "postgresql":
            files = (f"sqlite:///{folder}/{part}.db" for part in ("recording", "statistics"))
            measure("SQLite", *files, given.rows, folder)
        if given.only != "sqlite":
            with running_postgres() as server:
                urls = (server.url(server.database()) for _ in range(2))
                measure("PostgreSQL", *urls, given.rows, folder)


if __name__ == "__main__":
    main()
