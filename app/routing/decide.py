"""The DecisionEngine: asks the ML stages that are there, then scores the eligible models."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import replace
from time import perf_counter
from typing import Protocol, TypeVar

from app.domain import Decision, Embedding, Prediction, Query, Recollection, Skip, Stage
from app.errors import StageBusy
from app.models.catalogue import Catalogue
from app.routing.evidence import Evidence
from app.routing.quick import ML_STAGES
from app.routing.scored import DecisionRequest, scored
from app.routing.weights import Policy

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Embedder(Protocol):
    """The FeatureExtractor, wherever it runs."""

    async def embed(self, texts: list[str]) -> list[Embedding]: ...


class Classifier(Protocol):
    """Predicts difficulty, domain and success of each model from queries and their embeddings."""

    async def predict(self, queries: list[Query], embeddings: list[Embedding]) -> list[Prediction]: ...


class Memory(Protocol):
    """Recalls how each model did on similar past queries, of the query's tenant unless configured otherwise."""

    async def recall(self, queries: list[Query], embeddings: list[Embedding]) -> list[Recollection]: ...


class DecisionEngine:
    """Eligibility filters, evidence from the stages that are installed, then the multi-factor score.

    A stage that is late or fails is skipped; the decision is made all the same and says so. `without_memory` is what it
    says where there is no memory.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        policy: Policy,
        *,
        embedder: Embedder | None,
        classifier: Classifier | None = None,
        memory: Memory | None = None,
        without_memory: Skip = Skip.NOT_INSTALLED,
    ) -> None:
        self._catalogue = catalogue
        self.policy = policy
        self._embedder = embedder
        self._classifier = classifier
        self._memory = memory
        self._without_memory = without_memory

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
            within(policy.memory_timeout_ms, find and timed(Stage.MEMORY, find, stages_ms), self._without_memory),
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
        success, support, output_tokens = (
            {model: figure for model, figure in figures.items() if model in self._catalogue.models}
            for figures in (prediction.success, prediction.support, prediction.output_tokens)
        )
        return replace(prediction, success=success, support=support, output_tokens=output_tokens)


async def timed(stage: Stage, work: Awaitable[Answer], stages_ms: dict[Stage, float]) -> Answer:
    """Notes how long the work takes, a failure or a time limit included."""
    started = perf_counter()
    try:
        return await work
    finally:
        stages_ms[stage] = (perf_counter() - started) * 1000


async def within(limit_ms: float, work: Awaitable[Answer] | None, without: Skip = Skip.NOT_INSTALLED) -> Answer | Skip:
    """What the stage answers, or why it is skipped. A stage may fail in any way without failing the query."""
    if work is None:
        return without
    try:
        async with asyncio.timeout(limit_ms / 1000):
            return await work
    except TimeoutError:
        return Skip.LATE
    except StageBusy:
        return Skip.BUSY  # nothing to log: it comes in floods
    except Exception as error:
        logger.warning("a stage failed and was skipped: %r", error)
        return Skip.FAILED
