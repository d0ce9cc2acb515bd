"""The graph in Ray's local testing mode: constructors, reconfigure and handle calls in this process."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ray import serve
from ray.serve.handle import DeploymentHandle

from app.domain import Capability, Cause, Domain, Query, Stage, TextFeatures, Tier
from app.errors import ConfigError
from app.models.catalogue import Catalogue
from app.paths import project_path
from app.routing.decide import DecisionRequest
from deployments.args import RouterArgs
from deployments.decision_engine import DecisionEngine
from deployments.feature_extractor import FeatureExtractor

pytestmark = pytest.mark.integration

CATALOGUE = Catalogue.read(project_path("configs/models.yaml"))
PLAIN = TextFeatures(10, 1, 0, 0, 1, 0, 0, "en", Domain.GENERAL, {Domain.GENERAL: 1.0}, 0.2)


def policy() -> dict[str, Any]:
    config = yaml.safe_load(project_path("serve_config.yaml").read_text())
    user_config: dict[str, Any] = config["applications"][0]["deployments"][0]["user_config"]
    return user_config


@pytest.fixture(scope="module")
def engine() -> Iterator["DeploymentHandle[Any]"]:
    args = RouterArgs()
    extractor = serve.deployment(FeatureExtractor).bind(args)
    app = serve.deployment(user_config=policy())(DecisionEngine).bind(CATALOGUE, extractor)
    yield serve.run(app, _local_testing_mode=True)
    serve.shutdown()


def request(text: str) -> DecisionRequest:
    query = Query("r", text, "u", Tier.FREE, "auto", 10, frozenset({Capability.CHAT}), PLAIN)
    return DecisionRequest(query, {"llama": "loading"})


def test_a_batch_is_decided_with_real_embeddings(engine: "DeploymentHandle[Any]") -> None:
    texts = ["How does photosynthesis work in a leaf?", "Solve x^2 - 5x + 6 = 0 and show the steps."]
    decisions = engine.decide.remote([request(text) for text in texts]).result()
    assert [decision.cause for decision in decisions] == [Cause.SCORED, Cause.SCORED]
    assert [decision.domain for decision in decisions] == [Domain.SCIENCE, Domain.MATH]
    assert all(decision.rejected["llama"] == "loading" for decision in decisions)
    assert Stage.EMBEDDING not in decisions[0].skipped


def test_an_engine_without_policy_says_what_is_missing() -> None:
    args = RouterArgs()
    app = serve.deployment(DecisionEngine).bind(CATALOGUE, serve.deployment(FeatureExtractor).bind(args))
    handle = serve.run(app, name="bare", _local_testing_mode=True)
    with pytest.raises(ConfigError, match="no user_config"):
        handle.decide.remote([request("q")]).result()
