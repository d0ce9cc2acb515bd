"""The way of a query. Read this file first: read, decide, call, record."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import perf_counter

from app.domain import Capability, Chunk, Completion, Decision, Hint, Prompt, Query, Skip, Stage, Tier, Usage
from app.errors import ConfigError
from app.models.catalogue import Catalogue
from app.models.fallback import Attempt, Chunks, FallbackChain
from app.models.pricing import cost_usd
from app.observability import events
from app.routing.decide import DecisionRequest, QuickDecider
from app.routing.features import TextFeaturesReader
from app.routing.tokens import TokenCounter
from app.routing.weights import Policy

logger = logging.getLogger(__name__)
AUTO = "auto"
BYTES_A_TOKEN = 4  # a usual figure, for estimates that decide nothing


@dataclass(frozen=True, slots=True)
class Ask:
    """A chat request, whichever API it came through. `text` is what routing reads; `prompt` goes to the model."""

    request_id: str
    text: str
    prompt: Prompt
    prompt_text: str
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
    """An answer whose first chunk is there. `chunks` must be closed, or run to its end."""

    query: Query
    decision: Decision
    model: str
    attempts: tuple[Attempt, ...]
    chunks: AsyncGenerator[Chunk, None]
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
        try:
            answered = await self._chain.complete(_models(decision), ask.prompt)
        except Exception as error:
            events.failed(decision, error, (perf_counter() - started) * 1000)
            raise
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
        try:
            streaming = await self._chain.stream(_models(decision), ask.prompt)
        except Exception as error:
            events.failed(decision, error, (perf_counter() - started) * 1000)
            raise
        return StreamedAnswer(
            query=query,
            decision=decision,
            model=streaming.model,
            attempts=streaming.attempts,
            chunks=self._recorded(decision, streaming.model, streaming.attempts, streaming.chunks, started),
            overhead_ms=overhead_ms,
            cost_usd=lambda usage: self._cost(streaming.model, usage),
        )

    async def decide(self, ask: Ask) -> tuple[Query, Decision]:
        """The cheapest stage that is sure decides. Raises when the query is at fault or no model can take it."""
        started = perf_counter()
        query = self._read(ask)
        policy, unavailable = self.policy, self.unavailable()
        if policy is None:
            raise ConfigError("the routing policy is missing: give the deployment Ingress a user_config")
        if query.model != AUTO:
            decision = self._quick.requested(query, unavailable, policy)
        else:
            quick = self._quick.by_rule(query, unavailable, policy)
            decision = quick if isinstance(quick, Decision) else await self._score(query, unavailable, quick, policy)
        decision = replace(decision, skipped={Stage.CACHE: Skip.NOT_INSTALLED, **decision.skipped})
        events.decided(query, decision, (perf_counter() - started) * 1000)
        return query, decision

    def _read(self, ask: Ask) -> Query:
        """Text features only where something has to be chosen; tokens are counted only where they may matter."""
        spec = self.catalogue.models.get(ask.model)
        size = len(ask.prompt_text.encode("utf-8", "replace"))
        features = self._features.read(ask.text) if spec is None and ask.model == AUTO else None
        fits_anyway = spec is not None and size < spec.context_window_tokens - (ask.max_output_tokens or 1)
        if features is not None and ask.prompt_text == ask.text:
            tokens = features.tokens
        else:
            tokens = size // BYTES_A_TOKEN if fits_anyway else self._tokens.count(ask.prompt_text)
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

    async def _recorded(
        self,
        decision: Decision,
        model: str,
        attempts: tuple[Attempt, ...],
        chunks: Chunks,
        started: float,
    ) -> AsyncGenerator[Chunk, None]:
        usage = Usage()
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    yield chunk
        except Exception as error:
            events.failed(decision, error, (perf_counter() - started) * 1000)
            raise
        cost = self._cost(model, usage)
        events.completed(decision, model, usage, cost, (perf_counter() - started) * 1000, attempts)

    def _cost(self, model: str, usage: Usage) -> float | None:
        return cost_usd(self.catalogue.models[model].prices_usd_per_million, usage)


def _models(decision: Decision) -> tuple[str, ...]:
    return tuple(candidate.model for candidate in decision.candidates)
