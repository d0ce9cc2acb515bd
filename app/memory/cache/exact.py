"""The exact cache: the same request again gets the same answer."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from app.memory.cache.entry import CachedAnswer
from app.memory.cache.keys import CacheKey

OVERHEAD_BYTES = 600  # an entry's objects besides the body: key, answer, links (tests/bench/caches.py: 543)


class ExactCache(Protocol):
    """Any method may raise, and take its time, when the store is down: see `Shield`."""

    async def get(self, key: CacheKey) -> CachedAnswer | None: ...

    async def put(self, key: CacheKey, answer: CachedAnswer) -> None: ...

    async def delete_tenant(self, tenant: str) -> None:
        """Forgets every answer given to this tenant."""
        ...

    async def close(self) -> None: ...


class MemoryExactCache:
    """In this process alone. Over `max_bytes` the answers not asked for longest go first."""

    def __init__(self, *, ttl_s: float, max_bytes: int, clock: Callable[[], float] = monotonic) -> None:
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[CacheKey, tuple[float, CachedAnswer]] = OrderedDict()
        self.size_bytes = 0

    async def get(self, key: CacheKey) -> CachedAnswer | None:
        expires, answer = self._entries.get(key, (0.0, None))
        if answer is None:
            return None
        if expires <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return answer

    async def put(self, key: CacheKey, answer: CachedAnswer) -> None:
        if key in self._entries:
            self._drop(key)
        if _size(answer) > self._max_bytes:
            return
        self._entries[key] = (self._clock() + self._ttl_s, answer)
        self.size_bytes += _size(answer)
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    async def delete_tenant(self, tenant: str) -> None:
        for key in [key for key in self._entries if key.tenant == tenant]:
            self._drop(key)

    async def close(self) -> None:
        self._entries.clear()
        self.size_bytes = 0

    def _drop(self, key: CacheKey) -> None:
        _, answer = self._entries.pop(key)
        self.size_bytes -= _size(answer)


def _size(answer: CachedAnswer) -> int:
    return len(answer.body) + OVERHEAD_BYTES
