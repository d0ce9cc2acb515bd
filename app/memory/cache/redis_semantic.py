"""The semantic cache in Redis, shared by all replicas."""

from collections.abc import Callable
from time import time

import numpy
from redis.asyncio import Redis

from app.memory.cache.entry import CachedAnswer
from app.memory.cache.guards import GuardFeatures, differ
from app.memory.cache.keys import SemanticScope
from app.memory.cache.redis_store import delete_tenant_keys, digest, tenant_prefix
from app.memory.cache.semantic import Match, Vector, candidates

_KIND = "semantic"
_LENGTH_BYTES = 4
_NUMBER = "<f2"
_NUMBER_BYTES = 2


class RedisSemanticCache:
    """A `SemanticCache`: a list a scope, newest first, vectors in 16-bit floats, answers inline: one LRANGE a lookup.

    A lookup moves the whole list, so answers over `max_answer_bytes` are not kept, and with
    `max_entries_per_scope` that bounds what a lookup can move. The connection belongs to whoever opened it.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        min_similarity: float,
        ttl_s: float,
        max_entries_per_scope: int,
        max_answer_bytes: int,
        clock: Callable[[], float] = time,
    ) -> None:
        self._redis = redis
        self._min_similarity = min_similarity
        self._ttl_s = ttl_s
        self._max_entries_per_scope = max_entries_per_scope
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock

    async def find(self, scope: SemanticScope, vector: Vector, features: GuardFeatures) -> Match | None:
        found = await self._redis.lrange(_name(scope, len(vector)), 0, self._max_entries_per_scope - 1)
        items = [item for item in reversed(found) if isinstance(item, bytes)]  # oldest first, as candidates() asks
        if not items:
            return None
        size = len(vector) * _NUMBER_BYTES
        known = numpy.frombuffer(b"".join(item[:size] for item in items), _NUMBER).reshape(len(items), -1)
        similarities = known.astype(numpy.float32) @ vector
        for row in candidates(similarities, self._min_similarity):
            if answer := self._read(items[row][size:], features):
                return Match(answer, float(similarities[row]), max(0.0, self._clock() - answer.created_at))
        return None

    async def put(self, scope: SemanticScope, vector: Vector, features: GuardFeatures, answer: CachedAnswer) -> None:
        if len(answer.body) > self._max_answer_bytes:
            return
        told, name = features.encode(), _name(scope, len(vector))
        item = vector.astype(_NUMBER).tobytes() + len(told).to_bytes(_LENGTH_BYTES) + told + answer.encode()
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lpush(name, item)
            pipeline.ltrim(name, 0, self._max_entries_per_scope - 1)
            pipeline.pexpire(name, max(1, round(self._ttl_s * 1000)))
            await pipeline.execute()

    async def delete_tenant(self, tenant: str) -> None:
        await delete_tenant_keys(self._redis, tenant, _KIND)

    async def close(self) -> None:
        await self._redis.aclose()

    def _read(self, item: bytes, features: GuardFeatures) -> CachedAnswer | None:
        """The answer, unless it has expired, a guard speaks against it, or it cannot be read."""
        end = _LENGTH_BYTES + int.from_bytes(item[:_LENGTH_BYTES])
        told = GuardFeatures.decode(item[_LENGTH_BYTES:end])
        if told is None or differ(told, features) is not None:
            return None
        answer = CachedAnswer.decode(item[end:])
        return answer if answer and answer.created_at + self._ttl_s > self._clock() else None


def _name(scope: SemanticScope, dimensions: int) -> str:
    user = digest(scope.user) if scope.user is not None else "-"
    return f"{tenant_prefix(scope.tenant)}:{_KIND}:{dimensions}:{user}:{scope.digest}"
