"""python -m tests.bench.caches: lookups a second and their p50 in process and in Redis; memory an entry in process."""

import asyncio
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy

from app.completion import Completion, Prompt, Usage
from app.domain import Tier
from app.memory.cache.answers import AnswerCache
from app.memory.cache.build import CacheConfig, open_caches
from app.memory.cache.guard_words import GuardConfig
from app.memory.cache.keys import CacheKey, SemanticQuery, exact_key, semantic_query
from app.memory.cache.semantic import Vector
from app.paths import project_path
from app.yaml_file import read_yaml
from tests.app.memory.cache.answers import body
from tests.servers.redis import running_redis

ENTRIES, LOOKUPS, CONNECTIONS, DIMENSIONS = 1000, 4000, 32, 384
TEXT = "An answer of about two kilobytes, as a chat model would give it. " * 30
Lookup = Callable[[int], Awaitable[object]]


def caches(url: str | None) -> AnswerCache:
    guards = read_yaml(project_path("configs/cache_guards.yaml"), GuardConfig)
    return open_caches(CacheConfig(), guards, redis_url=url, detect=lambda _: "en")


def keys(number: int, user: str = "ann") -> tuple[CacheKey, SemanticQuery]:
    prompt = Prompt([{"role": "user", "content": f"What is the capital of country number {number}?"}])
    key = exact_key(prompt, model="auto", tier=Tier.FREE, tenant="acme")
    query = semantic_query(prompt, model="auto", tier=Tier.FREE, tenant="acme", user=user, max_characters=800)
    assert key is not None
    assert query is not None
    return key, query


def vectors(count: int) -> list[Vector]:
    drawn = numpy.random.default_rng(0).normal(size=(count, DIMENSIONS)).astype(numpy.float32)
    return list(drawn / numpy.linalg.norm(drawn, axis=1, keepdims=True))


async def store(cache: AnswerCache, number: int, user: str, vector: Vector) -> None:
    key, query = keys(number, user)
    completion = Completion(TEXT, Usage(9, 400), body(TEXT))
    await cache.store(completion, model="m", cost_usd=0.1, key=key, meaning=cache.meaning(query, vector))


async def measure(name: str, lookup: Lookup) -> None:
    """p50 one after another, then a second's worth at 32 at a time."""
    times = []
    for number in range(LOOKUPS):
        start = time.perf_counter()
        await lookup(number)
        times.append(time.perf_counter() - start)
    start = time.perf_counter()

    async def connection(first: int) -> None:
        for number in range(first, LOOKUPS, CONNECTIONS):
            await lookup(number)

    await asyncio.gather(*(connection(first) for first in range(CONNECTIONS)))
    rate = LOOKUPS / (time.perf_counter() - start)
    print(f"  {name:34} p50 {statistics.median(times) * 1000:6.3f} ms   {rate:9,.0f} lookups/s at {CONNECTIONS}")


async def compare(name: str, cache: AnswerCache) -> None:
    """The answers of each user fill one scope: 64 for `ann`, one for `bob`."""
    drawn = vectors(ENTRIES)
    for number in range(ENTRIES):
        await store(cache, number, "ann", drawn[number])
    await store(cache, 0, "bob", drawn[0])
    known = [keys(number) for number in range(ENTRIES)]
    unknown = keys(ENTRIES + 1)[0]
    (_, alone), miss = keys(0, "bob"), vectors(ENTRIES + 1)[-1]
    print(f"{name}:")
    await measure("exact, hit", lambda number: cache.lookup_exact(known[number % ENTRIES][0]))
    await measure("exact, miss", lambda _: cache.lookup_exact(unknown))
    await measure("semantic, 1 entry, hit", lambda _: cache.lookup_semantic(cache.meaning(alone, drawn[0])))
    last = ENTRIES - 1
    same, other = ((known[last][1], vector) for vector in (drawn[last], miss))
    await measure("semantic, 64 entries, hit", lambda _: cache.lookup_semantic(cache.meaning(*same)))
    await measure("semantic, 64 entries, miss", lambda _: cache.lookup_semantic(cache.meaning(*other)))
    print(f"  errors: {[status.errors for status in cache.status().values()]}")


async def print_memory() -> None:
    drawn = vectors(ENTRIES)
    for name, semantic in (("exact", False), ("exact and semantic", True)):
        cache = caches(None)
        gc.collect()
        tracemalloc.start()
        for number in range(ENTRIES):
            key, query = keys(number, f"user-{number}")
            completion = Completion(TEXT, Usage(9, 400), body(TEXT))
            meaning = cache.meaning(query, drawn[number].copy()) if semantic else None
            await cache.store(completion, model="m", cost_usd=0.1, key=key, meaning=meaning)
        used = tracemalloc.get_traced_memory()[0] / ENTRIES
        tracemalloc.stop()
        print(f"  {name:34} {used:,.0f} bytes an entry, of which the body is {len(body(TEXT)):,}")


async def main() -> None:
    await compare("in process", caches(None))
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        cache = caches(server.url)
        await compare("Redis", cache)
        await cache.close()
    print("memory in process, one scope an entry:")
    await print_memory()


if __name__ == "__main__":
    asyncio.run(main())
