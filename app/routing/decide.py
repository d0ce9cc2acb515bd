"""Decisions: the quick ones, which need no model, and the DecisionEngine's, which ask the ML stages first."""

import asyncio
import logging
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType
from typing import Protocol, TypeVar

from app.domain import Candidate, Cause, Decision, Domain, Embedding, Prediction, Query, Recollection, Skip, Stage
from app.errors import UnknownModel
from app.models.catalogue import Catalogue, ModelSpec
from app.routing import eligibility, scoring
from app.routing.evidence import Evidence, Hint
from app.routing.rules import Rule, RuleBook, preferred
from app.routing.weights import Policy

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
ML_STAGES = (Stage.EMBEDDING, Stage.CLASSIFIER, Stage.MEMORY)


class Embedder(Protocol):
    """The FeatureExtractor, wherever it runs."""

    async def embed(self, texts: list[str]) -> list[Embedding]: ...


class Classifier(Protocol):
    """Predicts difficulty, domain and success of each model from queries and their embeddings."""

    async def predict(self, queries: list[Query], embeddings: list[Embedding]) -> list[Prediction]: ...


class Memory(Protocol):
    """Recalls how each model did on similar past queries, of the query's tenant unless configured otherwise."""

    async def recall(self, queries: list[Query], embeddings: list[Embedding]) -> list[Recollection]: ...


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A query with what the caller knows that the engine does not: `unavailable` maps a model to the reason."""

    query: Query
    unavailable: Mapping[str, str]
    hint: Hint | None = None


class QuickDecider:
    """Decides what needs no neural model: a model named by the caller, and queries that a certain rule covers."""

    def __init__(self, catalogue: Catalogue, rules: RuleBook) -> None:
        self._catalogue = catalogue
        self._rules = rules

    def requested(self, query: Query, unavailable: Mapping[str, str], policy: Policy) -> Decision:
        """The model that the caller named, and no fallback: who names a model wants that one."""
        spec = self._catalogue.models.get(query.model)
        if spec is None:
            known = ", ".join(["auto", *self._catalogue.models])
            raise UnknownModel(f"model {query.model!r} is not in the catalogue; known: {known}", param="model")
        eligibility.split(query, [spec], unavailable)
        return Decision(
            request_id=query.request_id,
            candidates=(Candidate(spec.id, 1.0, {}, None),),
            cause=Cause.REQUESTED,
            confidence=1.0,
            domain=query.features.domain if query.features else Domain.GENERAL,
            weights_version=policy.version,
            skipped=dict.fromkeys((Stage.RULES, *ML_STAGES), Skip.NOT_NEEDED),
        )

    def by_rule(self, query: Query, unavailable: Mapping[str, str], policy: Policy) -> Decision | Hint | None:
        """The first rule with an eligible preferred model: a decision when it is certain, else a hint."""
        eligible, rejected = eligibility.split(query, self._catalogue.models.values(), unavailable)
        for rule, chosen in self._matches(query, eligible):
            if not rule.certain:
                return Hint(rule.id, frozenset(spec.id for spec in chosen))
            names = {spec.id for spec in chosen}
            ranked = scoring.rank(query, eligible, policy, Evidence())
            return Decision(
                request_id=query.request_id,
                candidates=tuple(sorted(ranked, key=lambda candidate: candidate.model not in names)),
                cause=Cause.RULE,
                confidence=1.0,
                domain=scoring.domain_of(query, Evidence(), policy),
                weights_version=policy.version,
                rule=rule.id,
                rejected=rejected,
                skipped=dict.fromkeys(ML_STAGES, Skip.NOT_NEEDED),
            )
        return None

    def by_text(self, request: DecisionRequest, policy: Policy, why: Skip) -> Decision:
        """The score on text features alone, when the ML stages are off, late or broken."""
        return scored(self._catalogue, request, policy, Evidence(), dict.fromkeys(ML_STAGES, why))

    def _matches(self, query: Query, eligible: Sequence[ModelSpec]) -> Iterator[tuple[Rule, list[ModelSpec]]]:
        if query.features is None:
            return
        for rule in self._rules.matches(query.text, query.features, query.tier):
            chosen = [spec for spec in eligible if preferred(rule, spec)]
            if chosen:
                yield rule, chosen


def scored(
    catalogue: Catalogue,
    request: DecisionRequest,
    policy: Policy,
    evidence: Evidence,
    skipped: Mapping[Stage, Skip],
    stages_ms: Mapping[Stage, float] = MappingProxyType({}),
) -> Decision:
    """The decision that the multi-factor score makes on this evidence."""
    query = request.query
    eligible, rejected = eligibility.split(query, catalogue.models.values(), request.unavailable)
    candidates = scoring.rank(query, eligible, policy, evidence, request.hint)
    degraded = any(why in (Skip.LATE, Skip.FAILED) for why in skipped.values())
    return Decision(
        request_id=query.request_id,
        candidates=candidates,
        cause=Cause.DEGRADED if degraded else Cause.SCORED,
        confidence=scoring.confidence(candidates, policy, evidence.prediction),
        domain=scoring.domain_of(query, evidence, policy),
        weights_version=policy.version,
        rule=request.hint.rule if request.hint else None,
        rejected=rejected,
        skipped=skipped,
        prediction=evidence.prediction,
        stages_ms=dict(stages_ms),
        vector=evidence.embedding.vector if evidence.embedding else None,
    )


class DecisionEngine:
    """Eligibility filters, evidence from the stages that are installed, then the multi-factor score.

    A stage that is late or fails is skipped; the decision is made all the same and says so.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        policy: Policy,
        *,
        embedder: Embedder | None,
        classifier: Classifier | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._catalogue = catalogue
        self.policy = policy
        self._embedder = embedder
        self._classifier = classifier
        self._memory = memory

    async def decide(self, requests: list[DecisionRequest]) -> list[Decision]:
        policy = self.policy  # one policy for the whole batch, even when a reload comes in between
        stages_ms: dict[Stage, float] = {}
        found, skipped = await self._gather([request.query for request in requests], policy, stages_ms)
        return [
            scored(self._catalogue, request, policy, evidence, skipped, stages_ms)
            for request, evidence in zip(requests, found, strict=True)
        ]

    async def _gather(
        self, queries: list[Query], policy: Policy, stages_ms: dict[Stage, float]
    ) -> tuple[list[Evidence], dict[Stage, Skip]]:
        """Evidence for each query, and the stages that took no part with the reason. Fills in `stages_ms`."""
        nothing = [Evidence() for _ in queries]
        if self._embedder is None:
            return nothing, dict.fromkeys(ML_STAGES, Skip.NOT_INSTALLED)
        embed = self._embedder.embed([query.text for query in queries])
        embeddings = await within(policy.embedding_timeout_ms, timed(Stage.EMBEDDING, embed, stages_ms))
        if isinstance(embeddings, Skip):
            return nothing, dict.fromkeys(ML_STAGES, embeddings)
        predict = self._classifier.predict(queries, embeddings) if self._classifier else None
        find = self._memory.recall(queries, embeddings) if self._memory else None
        predictions, recollections = await asyncio.gather(
            within(policy.classifier_timeout_ms, predict and timed(Stage.CLASSIFIER, predict, stages_ms)),
            within(policy.memory_timeout_ms, find and timed(Stage.MEMORY, find, stages_ms)),
        )
        return self._joined(embeddings, predictions, recollections)

    def _joined(
        self,
        embeddings: list[Embedding],
        predictions: list[Prediction] | Skip,
        recollections: list[Recollection] | Skip,
    ) -> tuple[list[Evidence], dict[Stage, Skip]]:
        stages = {Stage.CLASSIFIER: predictions, Stage.MEMORY: recollections}
        return [
            Evidence(
                embedding=embedding,
                prediction=None if isinstance(predictions, Skip) else self._chooseable(predictions[i]),
                recollection=None if isinstance(recollections, Skip) else recollections[i],
            )
            for i, embedding in enumerate(embeddings)
        ], {stage: result for stage, result in stages.items() if isinstance(result, Skip)}

    def _chooseable(self, prediction: Prediction) -> Prediction:
        """Without models that the catalogue does not have."""
        success, support = (
            {model: figure for model, figure in figures.items() if model in self._catalogue.models}
            for figures in (prediction.success, prediction.support)
        )
        return replace(prediction, success=success, support=support)


async def timed(stage: Stage, work: Awaitable[Answer], stages_ms: dict[Stage, float]) -> Answer:
    """Notes how long the work takes, a failure or a time limit included."""
    started = perf_counter()
    try:
        return await work
    finally:
        stages_ms[stage] = (perf_counter() - started) * 1000


async def within(limit_ms: float, work: Awaitable[Answer] | None) -> Answer | Skip:
    """What the stage answers, or why it is skipped. A stage may fail in any way without failing the query."""
    if work is None:
        return Skip.NOT_INSTALLED
    try:
        async with asyncio.timeout(limit_ms / 1000):
            return await work
    except TimeoutError:
        return Skip.LATE
    except Exception as error:
        logger.warning("a stage failed and was skipped: %r", error)
        return Skip.FAILED
