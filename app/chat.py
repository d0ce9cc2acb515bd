"""The way of a query. Read this file first: read, decide, call, record."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TypeVar

from app.domain import Capability, Completion, Decision, Hint, Prompt, Query, Skip, Stage, Tier, Usage
from app.errors import ConfigError, RouterError
from app.models.catalogue import Catalogue
from app.models.fallback import Attempt, FallbackChain
from app.models.pricing import cost_usd
from app.observability import events
from app.routing.decide import DecisionRequest, QuickDecider
from app.routing.features import TextFeaturesReader
from app.routing.tokens import TokenCounter
from app.routing.weights import Policy
from app.stream import RecordedChunks

logger = logging.getLogger(__name__)
AUTO = "auto"
BYTES_A_TOKEN = 4  # a usual figure, for estimates that decide nothing
LONG_BYTES = 50_000  # takes some 10 ms to read
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Ask:
    """A chat request, whichever API it came through.

    `prompt` goes to the model. `text` is what routing reads of it; `context_text` is the rest, of which only the length
    counts.
    """

    request_id: str
    text: str
    context_text: str
    prompt: Prompt
    user_id: str
    tier: Tier
    model: str = AUTO
    needs: frozenset[Capability] = frozenset()
    max_output_tokens: int | None = None


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


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer whose first chunk is there. `chunks` must be closed, or run to its end.

    `started` is the time of the request by `perf_counter`.
    """

    query: Query
    decision: Decision
    model: str
    attempts: tuple[Attempt, ...]
    chunks: RecordedChunks
    started: float
    overhead_ms: float
    cost_usd: Callable[[Usage], float | None]


class ChatService:
    """One per ingress replica. `policy` has to be set before the first query, and is swapped whole at a reload."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        features: TextFeaturesReader,
        tokens: TokenCounter,
        quick: QuickDecider,
        engine: Callable[[DecisionRequest], Awaitable[Decision]] | None,
        chain: FallbackChain,
        unavailable: Callable[[], Mapping[str, str]],
    ) -> None:
        self.catalogue = catalogue
        self.policy: Policy | None = None
        self.unavailable = unavailable
        self._features = features
        self._tokens = tokens
        self._quick = quick
        self._engine = engine
        self._chain = chain

    async def answer(self, ask: Ask) -> Answer:
        """Raises RouterError when no model answers."""
        started = perf_counter()
        query, decision = await self.decide(ask)
        called = perf_counter()
        with _failures(decision, started):
            answered = await self._chain.complete(_models(decision), ask.prompt)
        returned = perf_counter()
        cost = self._cost(answered.model, answered.completion.usage)
        answer = Answer(
            query=query,
            decision=decision,
            model=answered.model,
            completion=answered.completion,
            attempts=answered.attempts,
            cost_usd=cost,
            latency_ms=(returned - started) * 1000,
            overhead_ms=(called - started) * 1000,
        )
        events.completed(decision, answer.model, answer.completion.usage, cost, answer.latency_ms, answer.attempts)
        return answer

    async def stream(self, ask: Ask) -> StreamedAnswer:
        """Returns when the first chunk is there. Raises RouterError when no model begins to answer."""
        started = perf_counter()
        query, decision = await self.decide(ask)
        overhead_ms = (perf_counter() - started) * 1000
        with _failures(decision, started):
            streaming = await self._chain.stream(_models(decision), ask.prompt)

        def ended(usage: Usage, error: BaseException | None) -> None:
            latency_ms = (perf_counter() - started) * 1000
            if error is not None:
                events.failed(decision, error, latency_ms)
                return
            cost = self._cost(streaming.model, usage)
            events.completed(decision, streaming.model, usage, cost, latency_ms, streaming.attempts)

        return StreamedAnswer(
            query=query,
            decision=decision,
            model=streaming.model,
            attempts=streaming.attempts,
            chunks=RecordedChunks(streaming.chunks, ended),
            started=started,
            overhead_ms=overhead_ms,
            cost_usd=lambda usage: self._cost(streaming.model, usage),
        )

    async def decide(self, ask: Ask) -> tuple[Query, Decision]:
        """The cheapest stage that is sure decides. Raises when the query is at fault or no model can take it."""
        started = perf_counter()
        try:
            query = await self._read(ask)
            decision = await self._choose(query)
        except RouterError as error:
            events.refused(ask.request_id, error)
            raise
        decision = replace(decision, skipped={Stage.CACHE: Skip.NOT_INSTALLED, **decision.skipped})
        events.decided(query, decision, (perf_counter() - started) * 1000)
        return query, decision

    async def _choose(self, query: Query) -> Decision:
        policy, unavailable = self.policy, self.unavailable()
        if policy is None:
            raise ConfigError("the routing policy is missing: give the deployment Ingress a user_config")
        if query.model != AUTO:
            return self._quick.requested(query, unavailable, policy)
        quick = self._quick.by_rule(query, unavailable, policy)
        return quick if isinstance(quick, Decision) else await self._score(query, unavailable, quick, policy)

    async def _read(self, ask: Ask) -> Query:
        """Text features only where something has to be chosen; tokens are counted only where they may matter."""
        spec = self.catalogue.models.get(ask.model)
        size = len(ask.text.encode("utf-8", "replace")) + len(ask.context_text.encode("utf-8", "replace"))
        features = None
        if ask.model == AUTO:
            features = await _off_loop(size, self._features.read, ask.text)
        if spec is not None and size < spec.context_window_tokens - (ask.max_output_tokens or 1):
            tokens = size // BYTES_A_TOKEN  # a token has at least one byte: it fits, however many there are
        else:
            tokens = features.tokens if features else await _off_loop(size, self._tokens.count, ask.text)
            tokens += await _off_loop(size, self._tokens.count, ask.context_text)
        return Query(
            request_id=ask.request_id,
            text=ask.text,
            user_id=ask.user_id,
            tier=ask.tier,
            model=ask.model,
            tokens=tokens,
            needs=ask.needs | {Capability.CHAT},
            features=features,
            max_output_tokens=ask.max_output_tokens,
        )

    async def _score(self, query: Query, unavailable: Mapping[str, str], hint: Hint | None, policy: Policy) -> Decision:
        """The DecisionEngine's choice; the text features' alone when it is off, late or broken."""
        request = DecisionRequest(query, unavailable, hint)
        if self._engine is None:
            return self._quick.by_text(request, policy, Skip.OFF)
        try:
            async with asyncio.timeout(policy.decision_timeout_ms / 1000):
                return await self._engine(request)
        except TimeoutError:
            return self._quick.by_text(request, policy, Skip.LATE)
        except Exception as error:
            logger.warning("the decision engine failed: %r", error)
            return self._quick.by_text(request, policy, Skip.FAILED)

    def _cost(self, model: str, usage: Usage) -> float | None:
        return cost_usd(self.catalogue.models[model].prices_usd_per_million, usage)


def _models(decision: Decision) -> tuple[str, ...]:
    return tuple(candidate.model for candidate in decision.candidates)


@contextmanager
def _failures(decision: Decision, started: float) -> Iterator[None]:
    """Records an error that ends a request, the caller's leaving included."""
    try:
        yield
    except BaseException as error:
        events.failed(decision, error, (perf_counter() - started) * 1000)
        raise


async def _off_loop(size: int, read: Callable[[str], Read], text: str) -> Read:
    """Reads a long text in a thread, so that the other requests of this replica go on."""
    return read(text) if size < LONG_BYTES else await asyncio.to_thread(read, text)
