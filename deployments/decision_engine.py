"""DecisionEngine: asks the stages that are deployed, then scores the eligible models."""

import logging as std_logging
from importlib.metadata import version
from typing import Any

from ray.serve.handle import DeploymentHandle

from app.classifier.inputs import Reading
from app.domain import Decision, Embedding, Prediction, Query, Skip
from app.errors import ConfigError
from app.models.catalogue import Catalogue
from app.observability import logging
from app.observability.metrics import Metrics
from app.routing.decide import DecisionEngine as Engine
from app.routing.scored import DecisionRequest
from app.routing.weights import Policy
from app.settings import read_settings
from deployments.garbage import collect_less
from deployments.handles import answer_of
from deployments.metrics import Measured
from deployments.retriever_handle import RetrieverHandle

logger = std_logging.getLogger(__name__)


class ExtractorHandle:
    """The Embedder protocol over the handle of the FeatureExtractor."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def embed(self, texts: list[str]) -> list[Embedding]:
        embeddings: list[Embedding] = await answer_of(self._handle.embed.remote(texts))
        return embeddings


class ClassifierHandle:
    """The Classifier protocol over the handle of the deployment Classifier."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def predict(self, queries: list[Query], embeddings: list[Embedding]) -> list[Prediction]:
        readings = [Reading.of(query, embedding) for query, embedding in zip(queries, embeddings, strict=True)]
        predictions: list[Prediction] = await answer_of(self._handle.predict.remote(readings))
        return predictions


class DecisionEngine(Measured):
    """The deployment around the class of the same name in app/routing."""

    def __init__(
        self,
        catalogue: Catalogue,
        extractor: DeploymentHandle[Any],
        classifier: DeploymentHandle[Any],
        retriever: DeploymentHandle[Any],
    ) -> None:
        settings = read_settings()
        logging.configure(settings)
        collect_less()
        self._catalogue = catalogue
        self._extractor = ExtractorHandle(extractor)
        self._classifier = ClassifierHandle(classifier)
        self._memory = RetrieverHandle(retriever) if settings.enable_rag_routing else None
        self._engine: Engine | None = None
        self.metrics = Metrics()

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        policy = reload_policy("DecisionEngine", user_config, self._engine.policy if self._engine else None)
        if self._engine is None:
            self._engine = Engine(
                self._catalogue,
                policy,
                embedder=self._extractor,
                classifier=self._classifier,
                memory=self._memory,
                without_memory=Skip.OFF,
            )
        self._engine.policy = policy
        self.metrics.build_info(version("llm-router"), policy.version, None)

    async def decide(self, requests: list[DecisionRequest]) -> list[Decision]:
        if self._engine is None:
            raise ConfigError("DecisionEngine has no user_config in serve_config.yaml")
        decisions = await self._engine.decide(requests)
        for stage, ms in decisions[0].stages_ms.items() if decisions else ():
            self.metrics.stage(stage, ms / 1000)  # of the batch, as all its queries wait for it
        return decisions


def reload_policy(deployment: str, user_config: dict[str, Any], live: Policy | None) -> Policy:
    """The new policy; the live one when the new one is broken. Raises ConfigError when there is none to go on with."""
    try:
        policy = Policy.read(user_config, f"serve_config.yaml: deployments.{deployment}.user_config")
    except ConfigError as error:
        if live is None:
            logger.error("%s cannot start: %s", deployment, error)  # Serve shows nobody why
            raise
        logger.error("policy refused, version %s goes on: %s", live.version, error)
        return live
    logger.info("policy %s is live in %s", policy.version, deployment)
    return policy
