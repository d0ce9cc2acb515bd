"""The way of a query. Read this file first: look up, decide, call, record."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from app.ask import Ask
from app.caching import Caching, Hit, Place, exact_decision, similar_decision
from app.completion import Chunk, Completion, Usage
from app.domain import Decision, Query, Stage
from app.errors import RouterError
from app.memory.cache.assemble import Assembler
from app.memory.cache.replay import replay
from app.models.attempt import Attempt
from app.models.client import Chunks
from app.models.fallback import FallbackChain
from app.models.pricing import cost_usd
from app.observability.stages import Stages
from app.observability.tracing import Tracer
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
    cached: Hit | None = None


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer whose first chunk is there. `chunks` must be closed, or run to its end.

    `started` is the time of the request by `perf_counter`. `free`: a cache or somebody else's call gives it.
    """

    query: Query
    decision: Decision
    model: str
    attempts: tuple[Attempt, ...]
    chunks: RecordedChunks | AsyncGenerator[Chunk, None]
    started: float
    overhead_ms: float
    free: bool
    cached: Hit | None = None


class ChatService:
    """One per ingress replica."""

    def __init__(
        self, router: Router, chain: FallbackChain, recording: Recording, caching: Caching, tracer: Tracer
    ) -> None:
        self.router = router
        self.caching = caching
        self.chain = chain
        self._recording = recording
        self._tracer = tracer

    async def answer(self, ask: Ask) -> Answer:
        """Raises RouterError when no model answers."""
        with self._tracer.stage("answer", ask.traceparent, endpoint=ask.endpoint):
            request, place, hit = await self._begin(ask)
            return await (self._answer_again(request, hit) if hit else self._answer(request, place))

    async def stream(self, ask: Ask) -> StreamedAnswer:
        """Returns when the first chunk is there. Raises RouterError when no model begins to answer."""
        with self._tracer.stage("stream", ask.traceparent, endpoint=ask.endpoint):
            request, place, hit = await self._begin(ask)
            return await (self._stream_again(request, hit) if hit else self._stream(request, place))

    async def decide(self, ask: Ask) -> tuple[Query, Decision]:
        """Raises when the query is at fault or no model can take it."""
        request = await self._decided(ask, Stages(self._tracer), perf_counter())
        self._recording.decided(request)
        return request.query, request.decision

    def turned_away(self, path: str, code: str) -> None:
        """A request that was no query."""
        self._recording.turned_away(path, code)

    def cost_usd(self, model: str, usage: Usage) -> float | None:
        return cost_usd(self.router.catalogue.models[model].prices_usd_per_million, usage)

    async def _begin(self, ask: Ask) -> tuple[Request, Place | None, Hit | None]:
        """The caches and the decision, the cheapest first: whichever knows the answer."""
        started, stages = perf_counter(), Stages(self._tracer)
        place = self.caching.place(ask)
        with stages(Stage.CACHE):
            hit = await self.caching.lookup(place)
        if hit:
            version = self.router.policy.version if self.router.policy else ""
            request = Request(ask, *exact_decision(ask, hit, version), started, stages)
        else:
            request = await self._decided(ask, stages, started)
            if place and request.decision.vector is not None:
                with stages(Stage.CACHE):
                    hit = await self.caching.lookup_similar(place, ask, request.decision.vector)
            if hit:
                request.decision = similar_decision(request.decision, hit)
        self._recording.decided(request)
        return request, place, hit

    async def _decided(self, ask: Ask, stages: Stages, started: float) -> Request:
        try:
            query, decision = await self.router.decide(ask, stages)
        except RouterError as error:
            self._recording.refused(ask, error, _ms_since(started))
            raise
        return Request(ask, query, decision, started, stages)

    async def _answer(self, request: Request, place: Place | None) -> Answer:
        overhead_ms = request.elapsed_ms()
        with self._failures(request, overhead_ms):
            stored = self._recording.store(request)  # runs while the model works, and limits its own time
            call = partial(self.chain.complete, _models(request.decision), request.ask.prompt, overhead_ms / 1000)
            with request.stages("model"):
                answered, joined = await self.caching.share(place, call)
            with request.stages("storage"):
                await asyncio.shield(stored)
        completion = answered.completion
        outcome = Outcome(
            latency_ms=request.elapsed_ms(),
            overhead_ms=overhead_ms,
            model=answered.model,
            text=completion.text,
            usage=completion.usage,
            cost_usd=0.0 if joined else self.cost_usd(answered.model, completion.usage),
            attempts=answered.attempts,
        )
        self._recording.ended(request, outcome)
        if not joined:
            self._timed(outcome)
            await self.caching.keep(place, completion, answered.model, outcome.cost_usd)
        return _answer(request, completion, outcome)

    async def _stream(self, request: Request, place: Place | None) -> StreamedAnswer:
        overhead_ms = request.elapsed_ms()
        with self._failures(request, overhead_ms):
            stored = self._recording.store(request)  # runs while the model works, and limits its own time
            begin = partial(self.chain.stream, _models(request.decision), request.ask.prompt, overhead_ms / 1000)
            with request.stages("model"):  # to its first chunk
                streaming, joined = await self.caching.share_stream(place, request.ask, begin)
            first_token_ms = request.elapsed_ms()
            try:
                with request.stages("storage"):
                    await asyncio.shield(stored)
            except BaseException:
                await streaming.chunks.aclose()
                raise
        begun = Outcome(0.0, overhead_ms, streaming.model, attempts=streaming.attempts, first_token_ms=first_token_ms)
        chunks = self._recorded(request, streaming.chunks, begun, place, joined=joined)
        parts = (request.query, request.decision, streaming.model, streaming.attempts)
        return StreamedAnswer(*parts, chunks, request.started, overhead_ms, joined)

    def _recorded(
        self, request: Request, chunks: Chunks, begun: Outcome, place: Place | None, *, joined: bool
    ) -> RecordedChunks:
        """The chunks, whose end is recorded; whoever made the call keeps the answer at `place`."""
        assembler = Assembler(MAX_KEPT_BYTES) if place and not joined else None
        model = begun.model or ""

        def ended(text: str, usage: Usage, error: BaseException | None) -> None:
            cost = 0.0 if joined else self.cost_usd(model, usage)
            latency_ms = request.elapsed_ms()
            outcome = replace(begun, latency_ms=latency_ms, text=text, usage=usage, cost_usd=cost, error=error)
            self._recording.ended(request, outcome)
            if not joined and error is None:
                self._timed(outcome)
            if assembler and error is None:
                self.caching.keep_later(place, assembler.completion(), model, cost)

        return RecordedChunks(chunks, ended, assembler, keeps_text=self._recording.keeps_text)

    async def _answer_again(self, request: Request, hit: Hit) -> Answer:
        with request.stages("storage"):
            await asyncio.shield(self._recording.store(request))
        completion, latency_ms = hit.answer.completion(), request.elapsed_ms()
        outcome = Outcome(
            latency_ms=latency_ms,
            overhead_ms=latency_ms,
            model=hit.answer.model,
            text=completion.text,
            usage=hit.answer.usage,
            cost_usd=0.0,
            cache=hit.kind,
            cache_similarity=hit.similarity,
        )
        self._recording.ended(request, outcome)
        return _answer(request, completion, outcome, hit)

    async def _stream_again(self, request: Request, hit: Hit) -> StreamedAnswer:
        answer = await self._answer_again(request, hit)
        options = request.ask.prompt.parameters.get("stream_options")
        wanted = isinstance(options, Mapping) and bool(options.get("include_usage"))
        chunks = replay(hit.answer, usage_wanted=wanted)
        parts = (answer.query, answer.decision, answer.model, answer.attempts)
        return StreamedAnswer(*parts, chunks, request.started, answer.overhead_ms, free=True, cached=hit)

    def _timed(self, outcome: Outcome) -> None:
        """What the model took of a whole answer, without the router and the calls that failed before."""
        others_ms = outcome.overhead_ms + sum(attempt.latency_ms for attempt in outcome.attempts)
        self.router.latencies.observe(outcome.model or "", outcome.latency_ms - others_ms)

    @contextmanager
    def _failures(self, request: Request, overhead_ms: float) -> Iterator[None]:
        """Records an error that ends a request, the caller's leaving included."""
        try:
            yield
        except BaseException as error:
            self._recording.ended(request, Outcome(request.elapsed_ms(), overhead_ms, error=error))
            raise


def _answer(request: Request, completion: Completion, outcome: Outcome, hit: Hit | None = None) -> Answer:
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
