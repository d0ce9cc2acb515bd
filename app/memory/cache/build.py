"""Builds the caches from their settings: in process, or in Redis."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis

from app.memory.cache.answers import AnswerCache, Guarded
from app.memory.cache.exact import ExactCache, MemoryExactCache
from app.memory.cache.guard_reader import GuardReader
from app.memory.cache.guard_words import GuardConfig
from app.memory.cache.redis_exact import RedisExactCache
from app.memory.cache.redis_semantic import RedisSemanticCache
from app.memory.cache.redis_store import open_redis
from app.memory.cache.semantic import MemorySemanticCache, SemanticCache
from app.memory.cache.shield import Shield

_MB = 2**20
_CONNECTIONS = 64


class CacheConfig(BaseModel):
    """What an operator tunes. The semantic cache's threshold and words are in configs/cache_guards.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exact_ttl_s: Annotated[float, Field(gt=0)] = 3600.0
    exact_max_mb: Annotated[int, Field(gt=0, description="In process only; Redis has its own maxmemory.")] = 64
    semantic: bool = True
    semantic_scope: Annotated[Literal["user", "tenant"], Field(description="Who shares answers by meaning.")] = "user"
    semantic_ttl_s: Annotated[float, Field(gt=0)] = 3600.0
    semantic_max_mb: Annotated[int, Field(gt=0, description="In process only; Redis has its own maxmemory.")] = 64
    semantic_entries_per_scope: Annotated[int, Field(gt=0, le=1000)] = 64
    semantic_max_answer_kb: Annotated[int, Field(gt=0, description="In Redis: a lookup moves all of a scope.")] = 16
    max_answer_kb: Annotated[int, Field(gt=0, description="A larger answer is not kept.")] = 1024
    redis_timeout_ms: Annotated[float, Field(gt=0, description="To one call; then it is a miss.")] = 50.0
    retry_after_s: Annotated[float, Field(gt=0, description="How long a store that failed is left alone.")] = 1.0


def open_caches(
    config: CacheConfig, guards: GuardConfig, *, redis_url: str | None, detect: Callable[[str], str]
) -> AnswerCache:
    """Does not connect yet. `detect` gives the language of a text. Raises ConfigError for a wrong `redis_url`."""
    reader = GuardReader(guards, detect) if config.semantic else None
    timeout_s = config.redis_timeout_ms / 1000
    if redis_url:
        redis = open_redis(redis_url, timeout_s=timeout_s, connections=_CONNECTIONS)
        exact, semantic = _in_redis(redis, config, guards)
    else:
        exact, semantic = _in_process(config, guards)

    def shield(name: str) -> Shield:
        return Shield(name, timeout_s=timeout_s if redis_url else None, retry_after_s=config.retry_after_s)

    guarded = None
    if reader:
        per_user = config.semantic_scope == "user"
        guarded = Guarded(semantic, reader, shield("semantic"), per_user, guards.max_characters)
    return AnswerCache(exact, shield("exact"), guarded, max_answer_bytes=config.max_answer_kb * 1024)


def _in_process(config: CacheConfig, guards: GuardConfig) -> tuple[ExactCache, SemanticCache]:
    return (
        MemoryExactCache(ttl_s=config.exact_ttl_s, max_bytes=config.exact_max_mb * _MB),
        MemorySemanticCache(
            min_similarity=guards.min_similarity,
            ttl_s=config.semantic_ttl_s,
            max_entries_per_scope=config.semantic_entries_per_scope,
            max_bytes=config.semantic_max_mb * _MB,
        ),
    )


def _in_redis(redis: Redis, config: CacheConfig, guards: GuardConfig) -> tuple[ExactCache, SemanticCache]:
    return (
        RedisExactCache(redis, ttl_s=config.exact_ttl_s),
        RedisSemanticCache(
            redis,
            min_similarity=guards.min_similarity,
            ttl_s=config.semantic_ttl_s,
            max_entries_per_scope=config.semantic_entries_per_scope,
            max_answer_bytes=config.semantic_max_answer_kb * 1024,
        ),
    )
