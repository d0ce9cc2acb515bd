"""The exact cache in Redis, shared by all replicas."""

from redis.asyncio import Redis

from app.memory.cache.entry import CachedAnswer
from app.memory.cache.keys import CacheKey
from app.memory.cache.redis_store import delete_tenant_keys, tenant_prefix

_KIND = "exact"


class RedisExactCache:
    """An `ExactCache`: one GET a lookup. The connection belongs to whoever opened it."""

    def __init__(self, redis: Redis, *, ttl_s: float) -> None:
        self._redis = redis
        self._ttl_ms = max(1, round(ttl_s * 1000))

    async def get(self, key: CacheKey) -> CachedAnswer | None:
        data = await self._redis.get(_name(key))
        return CachedAnswer.decode(data) if isinstance(data, bytes) else None

    async def put(self, key: CacheKey, answer: CachedAnswer) -> None:
        await self._redis.set(_name(key), answer.encode(), px=self._ttl_ms)

    async def delete_tenant(self, tenant: str) -> None:
        await delete_tenant_keys(self._redis, tenant, _KIND)

    async def close(self) -> None:
        await self._redis.aclose()


def _name(key: CacheKey) -> str:
    return f"{tenant_prefix(key.tenant)}:{_KIND}:{key.digest}"
