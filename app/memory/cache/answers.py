"""The caches as the router uses them: look up, store, and never fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import time

import numpy
from numpy.typing import ArrayLike

from app.completion import Completion, Prompt
from app.domain import Tier
from app.memory.cache.entry import CachedAnswer
from app.memory.cache.exact import ExactCache
from app.memory.cache.guard_reader import GuardReader
from app.memory.cache.guards import GuardFeatures
from app.memory.cache.keys import CacheKey, SemanticQuery, SemanticScope, semantic_query
from app.memory.cache.semantic import Match, SemanticCache, Vector
from app.memory.cache.shield import CacheState, CacheStatus, Shield


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the semantic cache compares: an embedding of unit length, and what the guards read off the text."""

    scope: SemanticScope
    vector: Vector
    features: GuardFeatures


@dataclass(frozen=True, slots=True)
class Guarded:
    """A semantic cache and the reader of what its guards compare. `per_user`: a user gets his own answers only."""

    cache: SemanticCache
    reader: GuardReader
    shield: Shield
    per_user: bool
    max_characters: int


class AnswerCache:
    """No method but `delete_tenant` raises, whatever happens to the stores. `semantic` is None when it is off."""

    def __init__(self, exact: ExactCache, shield: Shield, semantic: Guarded | None, max_answer_bytes: int) -> None:
        self._exact = exact
        self._shield = shield
        self._semantic = semantic
        self._max_answer_bytes = max_answer_bytes

    async def lookup_exact(self, key: CacheKey) -> CachedAnswer | None:
        return await self._shield.lookup(lambda: self._exact.get(key))

    def query(self, prompt: Prompt, *, model: str, tier: Tier, tenant: str, user: str) -> SemanticQuery | None:
        """What the semantic cache compares; None for what it may not answer, and when it is off."""
        if self._semantic is None:
            return None
        scope = user if self._semantic.per_user else None
        limit = self._semantic.max_characters
        return semantic_query(prompt, model=model, tier=tier, tenant=tenant, user=scope, max_characters=limit)

    def meaning(self, query: SemanticQuery, vector: ArrayLike) -> Meaning | None:
        """`vector` is the embedding of `query.text`. Takes up to a millisecond for a long text; None when off."""
        if self._semantic is None:
            return None
        return Meaning(query.scope, numpy.asarray(vector, numpy.float32), self._semantic.reader.read(query.text))

    async def lookup_semantic(self, meaning: Meaning | None) -> Match | None:
        if self._semantic is None or meaning is None:
            return None
        cache = self._semantic.cache
        return await self._semantic.shield.lookup(lambda: cache.find(meaning.scope, meaning.vector, meaning.features))

    async def store(
        self,
        completion: Completion,
        *,
        model: str,
        cost_usd: float | None,
        key: CacheKey,
        meaning: Meaning | None,
    ) -> None:
        """Keeps a complete answer; others are passed over. Without `meaning`, in the exact cache alone."""
        answer = CachedAnswer.of(completion, model=model, cost_usd=cost_usd, now=time())
        if answer is None or len(answer.body) > self._max_answer_bytes:
            return
        await self._shield.write(lambda: self._exact.put(key, answer))
        if self._semantic is not None and meaning is not None:
            cache = self._semantic.cache
            put = partial(cache.put, meaning.scope, meaning.vector, meaning.features, answer)
            await self._semantic.shield.write(put)

    async def delete_tenant(self, tenant: str) -> None:
        """Takes its time, and raises when a store is down: who asks for this wants to know."""
        await self._exact.delete_tenant(tenant)
        if self._semantic is not None:
            await self._semantic.cache.delete_tenant(tenant)

    def status(self) -> Mapping[str, CacheStatus]:
        semantic = self._semantic.shield.status() if self._semantic else CacheStatus(CacheState.OFF)
        return {"exact": self._shield.status(), "semantic": semantic}

    async def close(self) -> None:
        await self._shield.write(self._exact.close)
        if self._semantic is not None:
            await self._semantic.shield.write(self._semantic.cache.close)
