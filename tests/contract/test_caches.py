"""The caches in process and in a real Redis keep the same promises."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.completion import Completion, Prompt, Usage
from app.domain import Tier
from app.errors import ConfigError
from app.memory.cache.answers import AnswerCache
from app.memory.cache.build import CacheConfig, open_caches
from app.memory.cache.exact import ExactCache, MemoryExactCache
from app.memory.cache.guard_words import GuardConfig
from app.memory.cache.keys import CacheKey, SemanticQuery, SemanticScope, exact_key, semantic_query
from app.memory.cache.redis_exact import RedisExactCache
from app.memory.cache.redis_semantic import RedisSemanticCache
from app.memory.cache.redis_store import open_redis
from app.memory.cache.semantic import MemorySemanticCache, SemanticCache
from app.memory.cache.shield import CacheState
from app.paths import project_path
from app.yaml_file import read_yaml
from tests.app.memory.cache.answers import PLAIN, answer, body, features, vector
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.integration

KEY = CacheKey("acme", "d")
SCOPE = SemanticScope("acme", "ann", "d")
HOSTILE = ["NUL \0 here", "line\nbreak\r\n", "🙂 日本語", "*?[a-z]:{x}", "x" * 1_000_000]
PER_SCOPE = 4


@pytest.fixture(params=["memory", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    which: str = request.param
    return which


async def flushed(server: RedisServer) -> None:
    client = open_redis(server.url, timeout_s=5, connections=1)
    await client.flushall()
    await client.aclose()


def exact_cache(kind: str, redis: RedisServer, ttl_s: float = 100) -> ExactCache:
    if kind == "memory":
        return MemoryExactCache(ttl_s=ttl_s, max_bytes=10**8)
    return RedisExactCache(open_redis(redis.url, timeout_s=5, connections=4), ttl_s=ttl_s)


def semantic_cache(kind: str, redis: RedisServer, ttl_s: float = 100) -> SemanticCache:
    bounds: dict[str, Any] = {"min_similarity": 0.9, "ttl_s": ttl_s, "max_entries_per_scope": PER_SCOPE}
    if kind == "memory":
        return MemorySemanticCache(**bounds, max_bytes=10**8)
    client = open_redis(redis.url, timeout_s=5, connections=4)
    return RedisSemanticCache(client, **bounds, max_answer_bytes=2 * 10**6)


@pytest.fixture
async def exact(kind: str, redis: RedisServer) -> AsyncIterator[ExactCache]:
    await flushed(redis)
    cache = exact_cache(kind, redis)
    yield cache
    await cache.close()


@pytest.fixture
async def semantic(kind: str, redis: RedisServer) -> AsyncIterator[SemanticCache]:
    await flushed(redis)
    cache = semantic_cache(kind, redis)
    yield cache
    await cache.close()


async def test_what_was_put_is_found(exact: ExactCache) -> None:
    assert await exact.get(KEY) is None

    await exact.put(KEY, answer())
    found = await exact.get(KEY)

    assert found is not None
    assert (found.body, found.usage, found.cost_usd) == (body("Paris"), Usage(5, 2, 1), 0.001)
    assert await exact.get(CacheKey("acme", "other")) is None


@pytest.mark.parametrize("text", HOSTILE)
async def test_any_text_comes_back_as_it_was(exact: ExactCache, semantic: SemanticCache, text: str) -> None:
    key, scope = CacheKey(f"acme{text[:50]}", "d"), SemanticScope(f"acme{text[:50]}", text[:50], "d")
    await exact.put(key, answer(text))
    await semantic.put(scope, vector(1), features(text[:50]), answer(text))

    found, match = await exact.get(key), await semantic.find(scope, vector(1), features(text[:50]))

    assert found is not None
    assert match is not None
    assert found.body == match.answer.body == body(text)


async def test_tenants_with_lone_surrogates_are_tenants_like_others(exact: ExactCache) -> None:
    await exact.put(CacheKey("\ud800", "d"), answer())

    assert await exact.get(CacheKey("\ud800", "d")) is not None
    assert await exact.get(CacheKey("\ud801", "d")) is None


async def test_answers_expire(kind: str, redis: RedisServer) -> None:
    exact, semantic = exact_cache(kind, redis, ttl_s=0.05), semantic_cache(kind, redis, ttl_s=0.05)
    await exact.put(KEY, answer())
    await semantic.put(SCOPE, vector(1), PLAIN, answer())

    await asyncio.sleep(0.2)

    assert await exact.get(KEY) is None
    assert await semantic.find(SCOPE, vector(1), PLAIN) is None
    await exact.close()
    await semantic.close()


async def test_tenants_do_not_see_each_other(exact: ExactCache, semantic: SemanticCache) -> None:
    await exact.put(KEY, answer())
    await semantic.put(SCOPE, vector(1), PLAIN, answer())

    assert await exact.get(CacheKey("other", "d")) is None
    for scope in (
        SemanticScope("other", "ann", "d"),
        SemanticScope("acme", "bob", "d"),
        SemanticScope("acme", None, "d"),
        SemanticScope("acme", "ann", "e"),
    ):
        assert await semantic.find(scope, vector(1), PLAIN) is None


async def test_a_tenant_can_be_forgotten(exact: ExactCache, semantic: SemanticCache) -> None:
    other_key, other_scope = CacheKey("other", "d"), SemanticScope("other", "ann", "d")
    for number in range(20):
        await exact.put(CacheKey("acme", str(number)), answer())
        await semantic.put(SemanticScope("acme", str(number), "d"), vector(1), PLAIN, answer())
    await exact.put(other_key, answer())
    await semantic.put(other_scope, vector(1), PLAIN, answer())

    await exact.delete_tenant("acme")
    await semantic.delete_tenant("acme")

    assert [await exact.get(CacheKey("acme", str(number))) for number in range(20)] == [None] * 20
    assert await semantic.find(SemanticScope("acme", "3", "d"), vector(1), PLAIN) is None
    assert await exact.get(other_key) is not None
    assert await semantic.find(other_scope, vector(1), PLAIN) is not None


async def test_the_most_similar_answer_that_no_guard_objects_to_is_found(semantic: SemanticCache) -> None:
    await semantic.put(SCOPE, vector(1, 0.3), features("france"), answer("far"))
    await semantic.put(SCOPE, vector(1, 0.1), features("france"), answer("near"))
    await semantic.put(SCOPE, vector(1), features("spain"), answer("wrong"))

    match = await semantic.find(SCOPE, vector(1), features("france"))

    assert match is not None
    assert match.answer.body == body("near")
    assert match.similarity == pytest.approx(float(vector(1, 0.1)[0]), abs=0.002)
    assert 0 <= match.age_s < 60


async def test_what_is_not_similar_enough_is_not_found(semantic: SemanticCache) -> None:
    await semantic.put(SCOPE, vector(1, 1), PLAIN, answer())

    assert await semantic.find(SCOPE, vector(1), PLAIN) is None


async def test_of_equals_the_newest_is_found(semantic: SemanticCache) -> None:
    await semantic.put(SCOPE, vector(1), PLAIN, answer("old"))
    await semantic.put(SCOPE, vector(1), PLAIN, answer("new"))

    match = await semantic.find(SCOPE, vector(1), PLAIN)

    assert match is not None
    assert match.answer.body == body("new")


async def test_a_scope_keeps_its_newest_entries(semantic: SemanticCache) -> None:
    for number in range(PER_SCOPE + 2):
        await semantic.put(SCOPE, vector(1), features(str(number)), answer(str(number)))

    found = [await semantic.find(SCOPE, vector(1), features(str(number))) for number in range(PER_SCOPE + 2)]

    assert [match is not None for match in found] == [False, False, *[True] * PER_SCOPE]


async def test_two_replicas_see_each_others_answers_in_redis(redis: RedisServer) -> None:
    one, two = exact_cache("redis", redis), exact_cache("redis", redis)
    first, second = semantic_cache("redis", redis), semantic_cache("redis", redis)

    await one.put(KEY, answer())
    await first.put(SCOPE, vector(1), PLAIN, answer())

    assert await two.get(KEY) is not None
    assert await second.find(SCOPE, vector(1), PLAIN) is not None
    for cache in (one, two, first, second):
        await cache.close()


async def test_what_others_wrote_under_our_keys_is_a_miss(redis: RedisServer) -> None:
    cache = exact_cache("redis", redis)
    client = open_redis(redis.url, timeout_s=5, connections=1)
    await cache.put(KEY, answer())
    (name,) = await client.keys("llm-router:*:exact:d")

    await client.set(name, b"\xff\x00 not ours")

    assert await cache.get(KEY) is None
    await client.aclose()
    await cache.close()


PROMPT = Prompt([{"role": "user", "content": "What is the capital of France?"}])
VECTOR = vector(1)


def keys() -> tuple[CacheKey, SemanticQuery]:
    key = exact_key(PROMPT, model="auto", tier=Tier.FREE, tenant="acme")
    query = semantic_query(PROMPT, model="auto", tier=Tier.FREE, tenant="acme", user="ann", max_characters=800)
    assert key is not None
    assert query is not None
    return key, query


def caches(url: str | None, **config: Any) -> AnswerCache:
    guards = read_yaml(project_path("configs/cache_guards.yaml"), GuardConfig)
    return open_caches(CacheConfig(**config), guards, redis_url=url, detect=lambda _: "en")


async def stored(cache: AnswerCache, text: str = "Paris") -> None:
    key, query = keys()
    completion = Completion(text, Usage(5, 2), body(text))
    await cache.store(completion, model="medium", cost_usd=0.1, key=key, meaning=cache.meaning(query, VECTOR))


async def hits(cache: AnswerCache) -> tuple[bool, bool]:
    key, query = keys()
    found, match = await cache.lookup_exact(key), await cache.lookup_semantic(cache.meaning(query, VECTOR))
    return found is not None, match is not None


async def test_the_caches_together(kind: str, redis: RedisServer) -> None:
    await flushed(redis)
    cache = caches(redis.url if kind == "redis" else None)

    assert await hits(cache) == (False, False)
    await stored(cache)
    assert await hits(cache) == (True, True)

    status = cache.status()["semantic"]
    assert (status.state, status.hits, status.misses, status.errors) == (CacheState.OK, 1, 1, 0)
    await cache.delete_tenant("acme")
    assert await hits(cache) == (False, False)
    await cache.close()


async def test_an_answer_over_the_limit_is_not_kept(kind: str, redis: RedisServer) -> None:
    await flushed(redis)
    cache = caches(redis.url if kind == "redis" else None, max_answer_kb=1)

    await stored(cache, "x" * 2000)

    assert await hits(cache) == (False, False)
    await cache.close()


async def test_without_the_semantic_cache_the_exact_one_works(kind: str, redis: RedisServer) -> None:
    await flushed(redis)
    cache = caches(redis.url if kind == "redis" else None, semantic=False)

    await stored(cache)

    assert await hits(cache) == (True, False)
    assert cache.status()["semantic"].state is CacheState.OFF
    await cache.close()


async def test_redis_stopped_is_a_miss_and_used_again_when_it_is_back(redis: RedisServer) -> None:
    cache = caches(redis.url, retry_after_s=0.05)
    await stored(cache)
    assert await hits(cache) == (True, True)

    redis.stop()
    assert [await hits(cache) for _ in range(100)] == [(False, False)] * 100
    await stored(cache)
    down = cache.status()["exact"]
    redis.start()
    await asyncio.sleep(0.1)
    await stored(cache)

    assert (down.state, down.last_error is not None) == (CacheState.DOWN, True)
    assert down.errors + down.skipped >= 100
    assert await hits(cache) == (True, True)
    assert cache.status()["exact"].state is CacheState.OK
    await cache.close()


async def test_redis_that_hangs_is_asked_once_and_then_left_alone(redis: RedisServer) -> None:
    cache = caches(redis.url, retry_after_s=60.0)
    await stored(cache)

    redis.pause()
    try:
        found = [await hits(cache) for _ in range(100)]
    finally:
        redis.resume()

    status = cache.status()
    assert found == [(False, False)] * 100
    assert (status["exact"].errors, status["exact"].skipped) == (1, 99)
    assert (status["semantic"].errors, status["semantic"].skipped) == (1, 99)
    await cache.close()


async def test_redis_that_was_never_there_is_a_miss(redis: RedisServer) -> None:
    cache = caches(redis.url.replace(str(redis.port), "1"))

    await stored(cache)

    assert await hits(cache) == (False, False)
    assert cache.status()["exact"].state is CacheState.DOWN
    await cache.close()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL"):
        caches("http://localhost")
