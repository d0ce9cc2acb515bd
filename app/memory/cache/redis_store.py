"""The connection to Redis, and how keys are named in it.

Redis bounds its own size: give it `maxmemory` and `maxmemory-policy allkeys-lru` (or volatile-lru: every key here has a
time to live).
"""

from hashlib import sha256

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.errors import ConfigError

PREFIX = "llm-router:1"  # the number is the format of what is stored: raise it when that changes
_BATCH = 500


def open_redis(url: str, *, timeout_s: float, connections: int) -> Redis:
    """Does not connect yet. Raises ConfigError for an address that is none.

    Without retries: a lookup that fails is a miss, and a second try would only cost time.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise ConfigError(f"REDIS_URL: {error}") from error
    return Redis.from_pool(pool)


def tenant_prefix(tenant: str) -> str:
    """Digested: a tenant's name may hold any character, and says something about who asks."""
    return f"{PREFIX}:{digest(tenant)}"


def digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


async def delete_tenant_keys(redis: Redis, tenant: str, kind: str) -> None:
    """Walks over all keys: for the rare case, and without stopping other callers."""
    cursor = None
    while cursor != 0:
        cursor, keys = await redis.scan(cursor or 0, match=f"{tenant_prefix(tenant)}:{kind}:*", count=_BATCH)
        if keys:
            await redis.unlink(*keys)
