"""The way of a query. Read this file first: decide, call, record."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from app.ask import Ask
from app.caching import Caching, cached_decision
from app.domain import Chunk, Completion, Decision, Query, Usage
from app.errors import RouterError
from app.memory.cache.assemble import Assembler
from app.memory.cache.entry import CachedAnswer
from app.memory.cache.replay import replay
from app.models.fallback import Attempt, FallbackChain
from app.models.pricing import cost_usd
from app.observability.labels import CacheKind
from app.recording import Outcome, Recording, Request
from app.routing.router import Router
from app.stream import RecordedChunks

MAX_KEPT_BYTES = 2**20  # of the chunks of a stream that is to be cached


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer and how it came about. `overhead_ms` is the time that the router itself took."""

    query: Query
    decision: Decision
    model: str
    completion: Completion
    attempts: tuple[Attempt, ...]
    cost_usd: float | None
    latency_ms: float
    overhead_ms: float
    cached: CachedAnswer | None = None


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer whose first chunk is there. `chunks` must be closed, or run to its end.

    `started` is the time of the request by `perf_counter`.
    """

    query: Query
    decision: Decision
    model: str
    attempts: tuple[Attempt, ...]
    chunks: RecordedChunks | AsyncGenerator[Chunk, None]
    started: float
    overhead_ms: float
    cached: CachedAnswer | None = None


class ChatService:
    """One per ingress replica."""

    def __init__(self, router: Router, chain: FallbackChain, recording: Recording, caching: Caching) -> None:
        self.router = router
        self.caching = caching
        self._chain = chain
        self._recording = recording

    async def answer(self, ask: Ask) -> Answer:
        """Raises RouterError when no model answers."""
        started = perf_counter()
        key = self.caching.key(ask)
        if hit := await self.caching.lookup(key):
            return await self._answer_again(ask, hit, started)
        query, decision = await self.decide(ask)
        request, overhead_ms = Request(ask, query, decision), _ms_since(started)
        with self._failures(request, started, overhead_ms):
            stored = self._recording.store(request)  # runs while the model works, and limits its own time
            call = partial(self._chain.complete, _models(decision), ask.prompt)
            answered, joined = await self.caching.share(key, call)
            await asyncio.shield(stored)
        completion = answered.completion
        outcome = Outcome(
            latency_ms=_ms_since(started),
            overhead_ms=overhead_ms,
            model=answered.model,
            text=completion.text,
            usage=completion.usage,
            cost_usd=0.0 if joined else self.cost_usd(answered.model, completion.usage),
            attempts=answered.attempts,
        )
        self._recording.ended(request, outcome)
        if not joined:
            await self.caching.keep(key, completion, answered.model, outcome.cost_usd)
        return _answer(request, completion, outcome)

    async def stream(self, ask: Ask) -> StreamedAnswer:
        """Returns when the first chunk is there. Raises RouterError when no model begins to answer."""
        started = perf_counter()
        key = self.caching.key(ask)
        if hit := await self.caching.lookup(key):
            return await self._stream_again(ask, hit, started)
        query, decision = await self.decide(ask)
        request, overhead_ms = Request(ask, query, decision), _ms_since(started)
        with self._failures(request, started, overhead_ms):
            stored = self._recording.store(request)  # runs while the model works, and limits its own time
            streaming = await self._chain.stream(_models(decision), ask.prompt)
            first_token_ms = _ms_since(started)
            await asyncio.shield(stored)

        assembler = Assembler(MAX_KEPT_BYTES) if key else None

        def ended(text: str, usage: Usage, error: BaseException | None) -> None:
            outcome = Outcome(
                latency_ms=_ms_since(started),
                overhead_ms=overhead_ms,
                model=streaming.model,
                text=text,
                usage=usage,
                cost_usd=self.cost_usd(streaming.model, usage),
                attempts=streaming.attempts,
                first_token_ms=first_token_ms,
                error=error,
            )
            self._recording.ended(request, outcome)
            if assembler and error is None:
                self.caching.keep_later(key, assembler.completion(), streaming.model, outcome.cost_usd)

        chunks = RecordedChunks(streaming.chunks, ended, assembler)
        return StreamedAnswer(query, decision, streaming.model, streaming.attempts, chunks, started, overhead_ms)

    async def decide(self, ask: Ask) -> tuple[Query, Decision]:
        """Raises when the query is at fault or no model can take it."""
        started = perf_counter()
        try:
            query, decision = await self.router.decide(ask)
        except RouterError as error:
            self._recording.refused(ask, error, _ms_since(started))
            raise
        self._recording.decided(query, decision, _ms_since(started))
        return query, decision

    async def _answer_again(self, ask: Ask, hit: CachedAnswer, started: float) -> Answer:
        request = Request(ask, *cached_decision(ask, hit, self._weights_version()))
        self._recording.decided(request.query, request.decision, _ms_since(started))
        await asyncio.shield(self._recording.store(request))
        completion, latency_ms = hit.completion(), _ms_since(started)
        outcome = Outcome(latency_ms, latency_ms, hit.model, completion.text, hit.usage, 0.0, cache=CacheKind.EXACT)
        self._recording.ended(request, outcome)
        return _answer(request, completion, outcome, hit)

    async def _stream_again(self, ask: Ask, hit: CachedAnswer, started: float) -> StreamedAnswer:
        answer = await self._answer_again(ask, hit, started)
        options = ask.prompt.parameters.get("stream_options")
        wanted = isinstance(options, Mapping) and bool(options.get("include_usage"))
        chunks = replay(hit, usage_wanted=wanted)
        return StreamedAnswer(answer.query, answer.decision, hit.model, (), chunks, started, answer.overhead_ms, hit)

    def _weights_version(self) -> str:
        return self.router.policy.version if self.router.policy else ""

    def cost_usd(self, model: str, usage: Usage) -> float | None:
        return cost_usd(self.router.catalogue.models[model].prices_usd_per_million, usage)

    @contextmanager
    def _failures(self, request: Request, started: float, overhead_ms: float) -> Iterator[None]:
        """Records an error that ends a request, the caller's leaving included."""
        try:
            yield
        except BaseException as error:
            self._recording.ended(request, Outcome(_ms_since(started), overhead_ms, error=error))
            raise


def _answer(request: Request, completion: Completion, outcome: Outcome, hit: CachedAnswer | None = None) -> Answer:
    return Answer(
        query=request.query,
        decision=request.decision,
        model=outcome.model or request.decision.model,
        completion=completion,
        attempts=outcome.attempts,
        cost_usd=outcome.cost_usd,
        latency_ms=outcome.latency_ms,
        overhead_ms=outcome.overhead_ms,
        cached=hit,
    )


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1000


def _models(decision: Decision) -> tuple[str, ...]:
    return tuple(candidate.model for candidate in decision.candidates)
