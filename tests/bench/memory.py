"""python -m tests.bench.memory [--memories 100000]: lookups in, and writes to, a memory in a folder, and its size.

Vectors are clustered, as those of queries are: a topic, and what is special about the query.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy
import psutil
from numpy.typing import NDArray

from app.artifacts.minilm import DIMENSIONS
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.feed import Batch
from app.memory.history.memory import Memory, PastOutcome
from app.memory.history.retriever import Retriever
from app.memory.history.store import Asked, History

TOPICS, SPREAD = 500, 0.9  # a query's cosine to its topic is about 0.74, to another query of it 0.55
LOTS, ROUNDS = 1000, 300


class Queries:
    """Vectors as of queries: (n, 384), unit length."""

    def __init__(self) -> None:
        self._random = numpy.random.default_rng(7)
        self._topics = _unit(self._random.normal(size=(TOPICS, DIMENSIONS)))

    def __call__(self, n: int) -> NDArray[numpy.float32]:
        special = _unit(self._random.normal(size=(n, DIMENSIONS)))
        return _unit(self._topics[self._random.integers(TOPICS, size=n)] + SPREAD * special).astype(numpy.float32)


def _unit(vectors: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def _memories(queries: Queries, first: int) -> list[Memory]:
    now, outcome = time.time(), PastOutcome("claude-sonnet", 0.75, 1.0, 0.004, 2100.0, 320)
    return [
        Memory(f"{first + n:032x}", "default", f"user-{n}", now, (outcome,), outcome.model, vector.tobytes())
        for n, vector in enumerate(queries(LOTS))
    ]


async def _p50_ms(
    work: Callable[[list[Asked]], Awaitable[object]], queries: Queries, batch: int
) -> tuple[float, float]:
    """The median and the 99th percentile of a query's share of a batch."""
    times = []
    for _ in range(ROUNDS):
        asked = [("default", vector.tobytes()) for vector in queries(batch)]
        started = time.perf_counter()
        await work(asked)
        times.append((time.perf_counter() - started) * 1000 / batch)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


async def fill(history: History, queries: Queries, count: int) -> None:
    for first in range(0, count, LOTS):
        await history.add(_memories(queries, first))


async def main(count: int) -> None:
    queries, process = Queries(), psutil.Process()
    before = process.memory_info().rss
    with tempfile.TemporaryDirectory() as folder:
        config = MemoryConfig(folder=folder, max_memories=10 * count)
        history = await ChromaHistory.open(config, None)
        started = time.perf_counter()
        await fill(history, queries, count)
        seconds = time.perf_counter() - started
        print(f"{count:,} memories: {count / seconds:,.0f} written a second")
        print(f"memory of the process: {before / 1e6:.0f} MB before, {process.memory_info().rss / 1e6:.0f} MB then")
        print(f"on disk: {sum(file.stat().st_size for file in Path(folder).rglob('*') if file.is_file()) / 1e6:.0f} MB")  # noqa: ASYNC240
        await history.close()
        retriever = Retriever(config, lambda: ChromaHistory.open(config, None))
        started = time.perf_counter()
        await retriever.remember(Batch())
        await retriever.recall([("default", queries(1)[0].tobytes())])
        print(f"opened, first lookup made: {time.perf_counter() - started:.2f} s")
        for batch in (1, 8, 32):
            median, late = await _p50_ms(retriever.recall, queries, batch)
            print(f"lookups of {batch:2}: p50 {median:.2f} ms a query, p99 {late:.2f}")
        await retriever.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory")
    parser.add_argument("--memories", type=int, default=100_000)
    asyncio.run(main(parser.parse_args().memories))
