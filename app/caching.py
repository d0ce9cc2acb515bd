"""The caches on the way of a query: what may be looked up, shared and kept."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.ask import Ask
from app.completion import Completion
from app.domain import Candidate, Cause, Decision, Domain, Query, Skip, Stage
from app.memory.cache.answers import AnswerCache, Meaning
from app.memory.cache.entry import CachedAnswer
from app.memory.cache.flight import SingleFlight
from app.memory.cache.keys import CacheKey, exact_key
from app.memory.cache.shield import CacheStatus
from app.memory.cache.stream_flight import StreamFlight
from app.models.client import Chunks
from app.models.fallback import Answered, Streaming
from app.observability.labels import CacheKind
from app.observability.metrics import Metrics

LATER_STAGES = (Stage.RULES, Stage.EMBEDDING, Stage.CLASSIFIER, Stage.MEMORY)
Begin = Callable[[], Awaitable[Streaming]]


@dataclass(frozen=True, slots=True)
class Hit:
    """A cached answer. `similarity` is the cosine to the query it was given to; None for the very same request."""

    answer: CachedAnswer
    kind: CacheKind
    similarity: float | None = None


@dataclass(slots=True)
class Place:
    """Where the answer to a request belongs: by its key, and by its meaning once that is known."""

    key: CacheKey
    meaning: Meaning | None = None


class Caching:
    """One per ingress replica. `cache` is None when ENABLE_CACHING is false."""

    def __init__(self, cache: AnswerCache | None, metrics: Metrics) -> None:
        self._cache = cache
        self._metrics = metrics
        self._errors: dict[str, int] = dict.fromkeys(CacheKind, 0)
        self._flights: SingleFlight[Answered] = SingleFlight()
        self._streams: StreamFlight[Streaming] = StreamFlight()
        self._writes: set[asyncio.Task[None]] = set()

    def place(self, ask: Ask) -> Place | None:
        """None when this request is neither to be answered from the cache nor kept there."""
        if self._cache is None or ask.no_store:
            return None
        key = exact_key(ask.prompt, model=_asked_for(ask), tier=ask.tier, tenant=ask.tenant)
        return Place(key) if key else None

    async def lookup(self, place: Place | None) -> Hit | None:
        """The answer to the very same request."""
        if self._cache is None or place is None:
            return None
        answer = await self._cache.lookup_exact(place.key)
        self._count(CacheKind.EXACT, hit=answer is not None)
        return Hit(answer, CacheKind.EXACT) if answer else None

    async def lookup_similar(self, place: Place, ask: Ask, vector: Sequence[float]) -> Hit | None:
        """The answer to a query that means the same. `vector` is the embedding of `ask.text`."""
        if self._cache is None:
            return None
        query = self._cache.query(ask.prompt, model=_asked_for(ask), tier=ask.tier, tenant=ask.tenant, user=ask.user_id)
        if query is None or query.text != ask.text:
            return None
        place.meaning = self._cache.meaning(query, vector)
        match = await self._cache.lookup_semantic(place.meaning)
        self._count(CacheKind.SEMANTIC, hit=match is not None)
        return Hit(match.answer, CacheKind.SEMANTIC, match.similarity) if match else None

    async def share(self, place: Place | None, work: Callable[[], Awaitable[Answered]]) -> tuple[Answered, bool]:
        """Identical requests in flight share one call; whether somebody else's call gave the answer."""
        if place is None:
            return await work(), False
        return await self._flights.share(place.key, work)

    async def share_stream(self, place: Place | None, ask: Ask, begin: Begin) -> tuple[Streaming, bool]:
        """The same for streams."""
        if place is None:
            return await begin(), False

        async def head_and_chunks() -> tuple[Streaming, Chunks]:
            streaming = await begin()
            return streaming, streaming.chunks

        key = place.key, repr(ask.prompt.parameters.get("stream_options"))  # it shapes the chunks, not the answer
        streaming, chunks, joined = await self._streams.share(key, head_and_chunks)
        return replace(streaming, chunks=chunks), joined

    async def keep(self, place: Place | None, completion: Completion, model: str, cost_usd: float | None) -> None:
        """Before the answer returns, so that the next request finds it. A cache that is slow limits its own time."""
        if self._cache is not None and place is not None:
            await self._cache.store(completion, model=model, cost_usd=cost_usd, key=place.key, meaning=place.meaning)

    def keep_later(self, place: Place | None, completion: Completion | None, model: str, cost: float | None) -> None:
        """In the background, at the end of a stream."""
        if completion is None:
            return
        task = asyncio.create_task(self.keep(place, completion, model, cost))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    def status(self) -> Mapping[str, CacheStatus]:
        """By kind of cache; empty when it is off."""
        return self._cache.status() if self._cache else {}

    def show_errors(self) -> None:
        """As they are now; writes in the background fail too."""
        for kind, status in self.status().items():
            self._metrics.cache_errors(kind, status.errors - self._errors[kind])
            self._errors[kind] = status.errors

    async def close(self) -> None:
        if self._writes:
            await asyncio.wait(self._writes)
        if self._cache is not None:
            await self._cache.close()

    def _count(self, kind: CacheKind, *, hit: bool) -> None:
        (self._metrics.cache_hit if hit else self._metrics.cache_miss)(kind)


def exact_decision(ask: Ask, hit: Hit, weights_version: str) -> tuple[Query, Decision]:
    """No stage had to decide: the model is the one that gave the answer then."""
    answer = hit.answer
    query = Query(ask.request_id, ask.text, ask.user_id, ask.tier, ask.model, answer.usage.input_tokens, ask.needs)
    return query, Decision(
        request_id=ask.request_id,
        candidates=(Candidate(answer.model, 1.0, {}, 0.0),),
        cause=Cause.CACHE,
        confidence=1.0,
        domain=Domain.GENERAL,
        weights_version=weights_version,
        skipped=dict.fromkeys(LATER_STAGES, Skip.NOT_NEEDED),
    )


def similar_decision(decision: Decision, hit: Hit) -> Decision:
    """What the stages found out stays; what they would have chosen is not called."""
    free = Candidate(hit.answer.model, 1.0, {}, 0.0)
    return replace(decision, candidates=(free,), cause=Cause.CACHE, confidence=hit.similarity or 0.0, propensity=1.0)


def _asked_for(ask: Ask) -> str:
    """Who may answer, as far as the caller says. Limits of cost and time do not matter: a cached answer is free."""
    floor = ask.limits.quality_floor
    return ask.model if floor is None else f"{ask.model} of quality {floor!r}"
