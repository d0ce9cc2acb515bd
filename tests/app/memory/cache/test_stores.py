"""What only the in-process stores do. The contract that they share with Redis is in tests/contract/test_caches.py."""

from app.memory.cache.exact import OVERHEAD_BYTES, MemoryExactCache
from app.memory.cache.keys import CacheKey, SemanticScope
from app.memory.cache.semantic import MemorySemanticCache
from tests.app.memory.cache.answers import PLAIN, answer, vector

SCOPE = SemanticScope("acme", "ann", "d")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def key(name: str) -> CacheKey:
    return CacheKey("acme", name)


def semantic(clock: Clock, max_bytes: int = 10**6) -> MemorySemanticCache:
    return MemorySemanticCache(min_similarity=0.9, ttl_s=10, max_entries_per_scope=3, max_bytes=max_bytes, clock=clock)


async def test_an_exact_answer_expires() -> None:
    clock = Clock()
    cache = MemoryExactCache(ttl_s=10, max_bytes=10**6, clock=clock)
    await cache.put(key("a"), answer())
    clock.now = 9.9
    assert await cache.get(key("a")) is not None

    clock.now = 10.0

    assert await cache.get(key("a")) is None
    assert cache.size_bytes == 0


async def test_the_answer_not_asked_for_longest_makes_room() -> None:
    entry = OVERHEAD_BYTES + len(answer().body)
    cache = MemoryExactCache(ttl_s=10, max_bytes=3 * entry)
    for name in "abc":
        await cache.put(key(name), answer())
    await cache.get(key("a"))

    await cache.put(key("d"), answer())

    assert [name for name in "abcd" if await cache.get(key(name))] == ["a", "c", "d"]
    assert cache.size_bytes == 3 * entry


async def test_an_answer_larger_than_the_cache_is_not_kept_and_drives_nothing_out() -> None:
    cache = MemoryExactCache(ttl_s=10, max_bytes=5000)
    await cache.put(key("a"), answer())

    await cache.put(key("b"), answer("x" * 5000))

    assert await cache.get(key("a")) is not None
    assert await cache.get(key("b")) is None


async def test_a_new_answer_takes_the_place_of_the_old_one() -> None:
    cache = MemoryExactCache(ttl_s=10, max_bytes=10**6)
    await cache.put(key("a"), answer("x" * 500))

    await cache.put(key("a"), answer("y"))

    assert cache.size_bytes == OVERHEAD_BYTES + len(answer("y").body)


async def test_a_semantic_answer_expires() -> None:
    clock = Clock()
    cache = semantic(clock)
    await cache.put(SCOPE, vector(1), PLAIN, answer())
    clock.now = 10.0

    assert await cache.find(SCOPE, vector(1), PLAIN) is None
    assert cache.size_bytes == 0


async def test_scopes_not_asked_for_longest_make_room() -> None:
    clock = Clock()
    cache = semantic(clock)
    await cache.put(SCOPE, vector(1), PLAIN, answer())
    small = semantic(clock, max_bytes=3 * cache.size_bytes)
    scopes = [SemanticScope("acme", name, "d") for name in "abc"]
    for scope in scopes:
        await small.put(scope, vector(1), PLAIN, answer())
    await small.find(scopes[0], vector(1), PLAIN)

    await small.put(SemanticScope("acme", "d", "d"), vector(1), PLAIN, answer())

    assert [bool(await small.find(scope, vector(1), PLAIN)) for scope in scopes] == [True, False, True]


async def test_one_answer_larger_than_the_semantic_cache_leaves_it_empty() -> None:
    cache = semantic(Clock(), max_bytes=5000)

    await cache.put(SCOPE, vector(1), PLAIN, answer("x" * 5000))

    assert await cache.find(SCOPE, vector(1), PLAIN) is None
    assert cache.size_bytes == 0


async def test_closing_forgets() -> None:
    cache = MemoryExactCache(ttl_s=10, max_bytes=10**6)
    await cache.put(key("a"), answer())

    await cache.close()

    assert await cache.get(key("a")) is None
