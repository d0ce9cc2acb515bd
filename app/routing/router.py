"""From a request to a decision: read it, then let the cheapest stage that is sure decide."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from app.ask import AUTO, Ask
from app.domain import Capability, Decision, Limits, Query, Skip, Stage
from app.errors import ConfigError, StageBusy
from app.models.catalogue import Catalogue
from app.models.latencies import Latencies
from app.observability.stages import Stages
from app.routing.features import TextFeaturesReader
from app.routing.quick import QuickDecider
from app.routing.scored import DecisionRequest
from app.routing.tokens import TokenCounter
from app.routing.weights import Policy

logger = logging.getLogger(__name__)
BYTES_A_TOKEN = 4  # a usual figure, for estimates that decide nothing
LONG_BYTES = 50_000  # takes some 10 ms to read
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class ClassifierStatus:
    """As the last query found it that needed one. `state` is ok, unknown (no query yet), or why it was skipped."""

    state: str = "unknown"
    version: str | None = None
    last_success: datetime | None = None

    def after(self, decision: Decision) -> "ClassifierStatus":
        if (skip := decision.skipped.get(Stage.CLASSIFIER)) is not None:
            return replace(self, state=skip)
        return ClassifierStatus("ok", decision.classifier_version, datetime.now(UTC))


class Router:
    """One per ingress replica. `policy` has to be set before the first query, and is swapped whole at a reload."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        features: TextFeaturesReader,
        tokens: TokenCounter,
        quick: QuickDecider,
        engine: Callable[[DecisionRequest], Awaitable[Decision]] | None,
        unavailable: Callable[[], Mapping[str, str]],
        latencies: Latencies,
    ) -> None:
        self.catalogue = catalogue
        self.policy: Policy | None = None
        self.unavailable = unavailable
        self.latencies = latencies
        self.classifier = ClassifierStatus()
        self._features = features
        self._tokens = tokens
        self._quick = quick
        self._engine = engine

    async def decide(self, ask: Ask, stages: Stages) -> tuple[Query, Decision]:
        """Raises RouterError when the query is at fault or no model can take it."""
        with stages("features"):
            query = await self._read(ask)
        with stages("decision"):
            decision = await self._choose(query)
        return query, decision

    async def _choose(self, query: Query) -> Decision:
        policy = self.policy
        if policy is None:
            raise ConfigError("the routing policy is missing: give the deployment Ingress a user_config")
        timed = query.model == AUTO or query.limits != Limits()  # otherwise nobody looks at latencies
        expected_ms = self.latencies.expected_ms() if timed else {}
        request = DecisionRequest(query, self.unavailable(), latency_ms=expected_ms)
        if query.model != AUTO:
            return self._quick.requested(request, policy)
        quick = self._quick.by_rule(request, policy)
        if isinstance(quick, Decision):
            return quick
        decision = await self._score(replace(request, hint=quick), policy)
        self.classifier = self.classifier.after(decision)
        return decision

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
            tenant=ask.tenant,
            limits=ask.limits,
        )

    async def _score(self, request: DecisionRequest, policy: Policy) -> Decision:
        """The DecisionEngine's choice; the text features' alone when it is off, late or broken."""
        if self._engine is None:
            return self._quick.by_text(request, policy, Skip.OFF)
        try:
            async with asyncio.timeout(policy.decision_timeout_ms / 1000):
                return await self._engine(request)
        except TimeoutError:
            return self._quick.by_text(request, policy, Skip.LATE)
        except StageBusy:
            return self._quick.by_text(request, policy, Skip.BUSY)
        except Exception as error:
            logger.warning("the decision engine failed: %r", error)
            return self._quick.by_text(request, policy, Skip.FAILED)


async def _off_loop(size: int, read: Callable[[str], Read], text: str) -> Read:
    """Reads a long text in a thread, so that the other requests of this replica go on."""
    return read(text) if size < LONG_BYTES else await asyncio.to_thread(read, text)
