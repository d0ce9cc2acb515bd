"""What is made known of a request: a log event, metrics, a row in storage, and a memory, from one place."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from app.ask import Ask
from app.completion import Usage
from app.domain import Decision, Query, Stage
from app.errors import RouterError, UpstreamError
from app.models.attempt import Attempt
from app.models.catalogue import Prices
from app.models.pricing import cost_usd
from app.observability import events
from app.observability.labels import Endpoint, StageName
from app.observability.metrics import Metrics
from app.observability.stages import Stages
from app.remembering import Remembering
from app.storage.recorder import Recorder
from app.storage.records import DecisionRecord, OutcomeRecord
from app.storage.text_policy import TextPolicy

ENDPOINTS = frozenset(Endpoint)
DECISION_STAGES: frozenset[StageName] = frozenset((Stage.CACHE, "features", "decision"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an answer came out. Times in milliseconds; `error` is None for a whole answer."""

    latency_ms: float
    overhead_ms: float
    model: str | None = None
    text: str = ""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    attempts: tuple[Attempt, ...] = ()
    first_token_ms: float | None = None
    error: BaseException | None = None
    cache: str | None = None
    cache_similarity: float | None = None


@dataclass(slots=True)
class Request:
    """One request on its way, from its decision to its outcome. `started` is its arrival by `perf_counter`."""

    ask: Ask
    query: Query
    decision: Decision
    started: float
    stages: Stages
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def elapsed_ms(self) -> float:
        return (perf_counter() - self.started) * 1000


class Recording:
    """One per ingress replica. `strongest`: the prices of the model that savings are measured against."""

    def __init__(
        self, metrics: Metrics, recorder: Recorder, remembering: Remembering, text: TextPolicy, strongest: Prices
    ) -> None:
        self._metrics = metrics
        self._recorder = recorder
        self._remembering = remembering
        self._text = text
        self._strongest = strongest
        self.keeps_text = text is not TextPolicy.OFF
        self._dropped = 0
        self._metrics.spool_refused(0)

    def turned_away(self, path: str, code: str) -> None:
        """A request that was no query. Only the paths that answer queries count."""
        if path in ENDPOINTS:
            self._metrics.turned_away(Endpoint(path), code)

    def refused(self, ask: Ask, error: RouterError, latency_ms: float) -> None:
        """A request that got no decision."""
        events.refused(ask.request_id, error)
        self._metrics.failed(None, ask.endpoint, latency_ms / 1000, error)

    def decided(self, request: Request) -> None:
        given = request.ask.client_request_id
        events.decided(request.query, request.decision, request.elapsed_ms(), given)
        self._metrics.decided(request.decision)
        self._remembering.decided(request.decision)
        for stage in DECISION_STAGES & request.stages.ms.keys():
            self._metrics.stage(stage, request.stages.ms[stage] / 1000)

    def store(self, request: Request) -> "asyncio.Future[None]":
        """Done when the decision is safe. It runs while the model works; the answer waits for it."""
        return self._recorder.decided(self._decision_record(request))

    def ended(self, request: Request, outcome: Outcome) -> None:
        """Of an answer or of an error; once for each request that was decided."""
        decision, endpoint = request.decision, request.ask.endpoint
        if isinstance(outcome.error, UpstreamError):
            outcome = replace(outcome, attempts=(*outcome.attempts, *outcome.error.attempts))
        for stage in request.stages.ms.keys() - DECISION_STAGES:
            self._metrics.stage(stage, request.stages.ms[stage] / 1000)
        if outcome.error is None and outcome.model is not None:
            model = outcome.model
            events.completed(decision, model, outcome.usage, outcome.cost_usd, outcome.latency_ms, outcome.attempts)
            self._metrics.completed(
                model,
                endpoint,
                outcome.latency_ms / 1000,
                outcome.usage,
                outcome.cost_usd,
                outcome.attempts,
                baseline_usd=cost_usd(self._strongest, outcome.usage),
            )
        elif outcome.error is not None:
            events.failed(decision, outcome.error, outcome.latency_ms, outcome.attempts)
            self._metrics.failed(decision.model, endpoint, outcome.latency_ms / 1000, outcome.error)
        if outcome.first_token_ms is not None and outcome.model is not None:
            self._metrics.first_token(outcome.model, outcome.first_token_ms / 1000)
        record = self._outcome_record(request, outcome)
        self._recorder.finished(record)
        self._remembering.ended(request.query.user_id, decision, record)

    def show_spool(self) -> None:
        """As it is now: it may change while no request comes."""
        status = self._recorder.status()
        self._metrics.spool_depth(status.spooled_rows)
        self._metrics.spool_refused(status.dropped_rows - self._dropped)
        self._dropped = status.dropped_rows

    def _decision_record(self, request: Request) -> DecisionRecord:
        query, decision = request.query, request.decision
        text, digest = self._text.kept(query.text)
        features = query.features
        return DecisionRecord(
            request_id=decision.request_id,
            tenant=request.ask.tenant,
            user_id=query.user_id,
            tier=query.tier,
            created_at=request.created_at,
            endpoint=request.ask.endpoint,
            model_requested=query.model,
            domain=decision.domain,
            language=features.language if features else None,
            complexity=features.complexity if features else None,
            features=_plain(_fields(features)) if features else {},
            cause=decision.cause,
            rule=decision.rule,
            confidence=decision.confidence,
            candidates=[_plain(_fields(candidate)) for candidate in decision.candidates],
            rejected=_plain(decision.rejected),
            skipped=_plain(decision.skipped),
            propensity=decision.propensity,
            weights_version=decision.weights_version,
            classifier_version=decision.classifier_version,
            query_text=text,
            query_hash=digest,
            client_request_id=request.ask.client_request_id,
        )

    def _outcome_record(self, request: Request, outcome: Outcome) -> OutcomeRecord:
        text, digest = self._text.kept(outcome.text) if outcome.error is None else (None, None)
        return OutcomeRecord(
            request_id=request.decision.request_id,
            tenant=request.ask.tenant,
            tier=request.query.tier,
            domain=request.decision.domain,
            created_at=request.created_at,
            model=outcome.model,
            endpoint=request.ask.endpoint,
            fallbacks=[f"{attempt.model}:{attempt.code}" for attempt in outcome.attempts],
            input_tokens=outcome.usage.input_tokens,
            output_tokens=outcome.usage.output_tokens,
            cached_input_tokens=outcome.usage.cached_input_tokens,
            cost_usd=outcome.cost_usd,
            latency_ms=outcome.latency_ms,
            overhead_ms=outcome.overhead_ms,
            stages_ms=_plain({**request.decision.stages_ms, **request.stages.ms}),
            first_token_ms=outcome.first_token_ms,
            error=None if outcome.error is None else events.code_of(outcome.error),
            cache=outcome.cache,
            cache_similarity=outcome.cache_similarity,
            answer_text=text,
            answer_hash=digest,
            finished_at=datetime.now(UTC),
        )


def _fields(item: Any) -> dict[str, Any]:
    """Of a dataclass with slots whose fields are plain: `asdict` would copy each of them, at ten times the cost."""
    return {name: getattr(item, name) for name in item.__slots__}


def _plain(values: Any) -> dict[str, Any]:
    """Plain strings as keys, as JSON wants them."""
    return {str(key): _plain(value) if isinstance(value, dict) else value for key, value in values.items()}
