"""The caches on the way of a query: what may be looked up, shared and kept."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.ask import Ask
from app.domain import Candidate, Cause, Completion, Decision, Domain, Query, Skip, Stage
from app.memory.cache.answers import AnswerCache
from app.memory.cache.entry import CachedAnswer
from app.memory.cache.flight import SingleFlight
from app.memory.cache.keys import CacheKey, exact_key
from app.models.fallback import Answered
from app.observability.labels import CacheKind
from app.observability.metrics import Metrics

LATER_STAGES = (Stage.RULES, Stage.EMBEDDING, Stage.CLASSIFIER, Stage.MEMORY)


class Caching:
    """One per ingress replica. `cache` is None when ENABLE_CACHING is false."""

    def __init__(self, cache: AnswerCache | None, metrics: Metrics) -> None:
        self._cache = cache
        self._metrics = metrics
        self._errors = 0
        self._flights: SingleFlight[Answered] = SingleFlight()
        self._writes: set[asyncio.Task[None]] = set()

    def key(self, ask: Ask) -> CacheKey | None:
        """None when this request is neither to be answered from the cache nor kept there."""
        if self._cache is None or ask.no_store:
            return None
        return exact_key(ask.prompt, model=ask.model, tier=ask.tier, tenant=ask.tenant)

    async def lookup(self, key: CacheKey | None) -> CachedAnswer | None:
        if self._cache is None or key is None:
            return None
        hit = await self._cache.lookup_exact(key)
        (self._metrics.cache_hit if hit else self._metrics.cache_miss)(CacheKind.EXACT)
        failed = self._cache.status()[CacheKind.EXACT].errors
        for _ in range(failed - self._errors):
            self._metrics.cache_error(CacheKind.EXACT)
        self._errors = failed
        return hit

    async def share(self, key: CacheKey | None, work: Callable[[], Awaitable[Answered]]) -> tuple[Answered, bool]:
        """Identical requests in flight share one call; whether somebody else's call gave the answer."""
        if key is None:
            return await work(), False
        return await self._flights.share(key, work)

    async def keep(self, key: CacheKey | None, completion: Completion, model: str, cost_usd: float | None) -> None:
        """Before the answer returns, so that the next request finds it. A cache that is slow limits its own time."""
        if self._cache is not None and key is not None:
            await self._cache.store(completion, model=model, cost_usd=cost_usd, key=key, query=None, vector=None)

    def keep_later(self, key: CacheKey | None, completion: Completion | None, model: str, cost: float | None) -> None:
        """In the background, at the end of a stream."""
        if completion is None:
            return
        task = asyncio.create_task(self.keep(key, completion, model, cost))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    def status(self) -> Mapping[str, Any]:
        """By kind of cache; empty when it is off."""
        return self._cache.status() if self._cache else {}

    async def close(self) -> None:
        if self._writes:
            await asyncio.wait(self._writes)
        if self._cache is not None:
            await self._cache.close()


def cached_decision(ask: Ask, hit: CachedAnswer, weights_version: str) -> tuple[Query, Decision]:
    """No stage had to decide: the model is the one that gave the answer then."""
    query = Query(ask.request_id, ask.text, ask.user_id, ask.tier, ask.model, hit.usage.input_tokens, ask.needs)
    return query, Decision(
        request_id=ask.request_id,
        candidates=(Candidate(hit.model, 1.0, {}, 0.0),),
        cause=Cause.CACHE,
        confidence=1.0,
        domain=Domain.GENERAL,
        weights_version=weights_version,
        skipped=dict.fromkeys(LATER_STAGES, Skip.NOT_NEEDED),
    )
