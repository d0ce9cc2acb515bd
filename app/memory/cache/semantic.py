"""The semantic cache: a query that means the same gets the same answer."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, time
from typing import Protocol

import numpy
from numpy.typing import NDArray

from app.memory.cache.entry import CachedAnswer
from app.memory.cache.guards import GuardFeatures, differ
from app.memory.cache.keys import SemanticScope

Vector = NDArray[numpy.float32]
OVERHEAD_BYTES = 4000  # an entry's objects besides body and vector: 1,100 for a short text, more for its words


@dataclass(frozen=True, slots=True)
class Match:
    """A cached answer to a query that means the same. `similarity` is a cosine, `age_s` in seconds."""

    answer: CachedAnswer
    similarity: float
    age_s: float


class SemanticCache(Protocol):
    """Any method may raise, and take its time, when the store is down: see `Shield`. Vectors have unit length."""

    async def find(self, scope: SemanticScope, vector: Vector, features: GuardFeatures) -> Match | None:
        """The most similar query of the scope that no guard tells apart from this one, if it is similar enough."""
        ...

    async def put(
        self, scope: SemanticScope, vector: Vector, features: GuardFeatures, answer: CachedAnswer
    ) -> None: ...

    async def delete_tenant(self, tenant: str) -> None:
        """Forgets every answer given to this tenant."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    expires: float
    features: GuardFeatures
    answer: CachedAnswer


@dataclass(slots=True)
class _Shelf:
    """The entries of one scope, oldest first; row i of `vectors` (n, d) belongs to entry i."""

    vectors: Vector
    entries: list[_Entry]

    def drop_oldest(self, count: int) -> int:
        """How many bytes that freed."""
        freed = sum(self.size(entry) for entry in self.entries[:count])
        self.entries = self.entries[count:]
        self.vectors = self.vectors[count:].copy()
        return freed

    def size(self, entry: _Entry) -> int:
        dimensions: int = self.vectors.shape[1]
        return len(entry.answer.body) + dimensions * self.vectors.itemsize + OVERHEAD_BYTES


class MemorySemanticCache:
    """In this process alone. The oldest entries of a scope go first, then those of the scope not asked for longest."""

    def __init__(
        self,
        *,
        min_similarity: float,
        ttl_s: float,
        max_entries_per_scope: int,
        max_bytes: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._min_similarity = min_similarity
        self._ttl_s = ttl_s
        self._max_entries_per_scope = max_entries_per_scope
        self._max_bytes = max_bytes
        self._clock = clock
        self._shelves: OrderedDict[SemanticScope, _Shelf] = OrderedDict()
        self.size_bytes = 0

    async def find(self, scope: SemanticScope, vector: Vector, features: GuardFeatures) -> Match | None:
        shelf = self._fresh(scope)
        if shelf is None:
            return None
        self._shelves.move_to_end(scope)
        similarities = shelf.vectors @ vector
        for row in candidates(similarities, self._min_similarity):
            entry = shelf.entries[row]
            if differ(entry.features, features) is None:
                age_s = max(0.0, time() - entry.answer.created_at)
                return Match(entry.answer, float(similarities[row]), age_s)
        return None

    async def put(self, scope: SemanticScope, vector: Vector, features: GuardFeatures, answer: CachedAnswer) -> None:
        shelf = self._fresh(scope)
        if shelf is None:
            shelf = self._shelves[scope] = _Shelf(numpy.empty((0, len(vector)), numpy.float32), [])
        entry = _Entry(self._clock() + self._ttl_s, features, answer)
        shelf.entries.append(entry)
        shelf.vectors = numpy.vstack([shelf.vectors, vector])
        self.size_bytes += shelf.size(entry)
        self._shelves.move_to_end(scope)
        self._drop(scope, len(shelf.entries) - self._max_entries_per_scope)
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._shelves)), 1)

    async def delete_tenant(self, tenant: str) -> None:
        for scope in [scope for scope in self._shelves if scope.tenant == tenant]:
            self._drop(scope, len(self._shelves[scope].entries))

    async def close(self) -> None:
        self._shelves.clear()
        self.size_bytes = 0

    def _fresh(self, scope: SemanticScope) -> _Shelf | None:
        """The shelf of the scope without what has expired, which is its oldest part; None when that is all."""
        if scope in self._shelves:
            now = self._clock()
            self._drop(scope, sum(entry.expires <= now for entry in self._shelves[scope].entries))
        return self._shelves.get(scope)

    def _drop(self, scope: SemanticScope, count: int) -> None:
        """The oldest `count` entries of the scope."""
        if count <= 0:
            return
        shelf = self._shelves[scope]
        self.size_bytes -= shelf.drop_oldest(count)
        if not shelf.entries:
            del self._shelves[scope]


def candidates(similarities: NDArray[numpy.float32], min_similarity: float) -> list[int]:
    """The rows that are similar enough, most similar first; of equals the newest."""
    rows = numpy.flatnonzero(similarities >= min_similarity)
    return [int(row) for row in rows[numpy.argsort(similarities[rows], kind="stable")][::-1]]
