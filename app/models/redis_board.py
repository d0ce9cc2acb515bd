"""The board of the breakers in Redis."""

from collections.abc import Mapping
from typing import cast

from redis.asyncio import Redis

from app.memory.cache.redis_store import PREFIX

NOTES = f"{PREFIX}:breakers"
KEPT_S = 86_400


class RedisBoard:
    """A Board. The connection is the caller's to close."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self) -> Mapping[str, bytes]:
        notes = cast("dict[bytes, bytes]", await self._redis.hgetall(NOTES))
        return {name.decode(): note for name, note in notes.items()}

    async def post(self, notes: Mapping[str, bytes]) -> None:
        await self._redis.hset(NOTES, mapping={name.encode(): note for name, note in notes.items()})
        await self._redis.expire(NOTES, KEPT_S)

    async def lease(self, name: str, owner: str, for_s: float) -> bool:
        key, for_ms = _lease_key(name), int(for_s * 1000)
        if await self._redis.set(key, owner, nx=True, px=for_ms):
            return True
        if await self._redis.get(key) != owner.encode():
            return False
        return bool(await self._redis.pexpire(key, for_ms))

    async def release(self, name: str, owner: str) -> None:
        key = _lease_key(name)
        if await self._redis.get(key) == owner.encode():
            await self._redis.delete(key)


def _lease_key(name: str) -> str:
    return f"{PREFIX}:probe:{name}"
