"""The graph in Ray's local testing mode: constructors, reconfigure and handle calls in this process."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest
import yaml
from ray import serve
from ray.serve.deployment import Application
from ray.serve.handle import DeploymentHandle

from app.artifacts.minilm import ensure_minilm
from app.domain import Capability, Cause, Domain, Query, Skip, Stage, TextFeatures, Tier
from app.errors import ConfigError
from app.memory.embedder import MiniLMEmbedder
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.memory import Memory, PastOutcome
from app.models.catalogue import Catalogue
from app.paths import project_path
from app.routing.scored import DecisionRequest
from app.settings import Settings
from deployments.args import RouterArgs
from deployments.classifier import Classifier
from deployments.decision_engine import DecisionEngine
from deployments.feature_extractor import FeatureExtractor
from deployments.retriever import Retriever
from tests.fakes.artifact import make_artifact
from tests.servers.process import wait_until

pytestmark = pytest.mark.integration

CATALOGUE = Catalogue.read(project_path("configs/models.yaml"))
PLAIN = TextFeatures(10, 1, 0, 0, 1, 0, 0, "en", Domain.GENERAL, {Domain.GENERAL: 1.0}, 0.2)
TEXTS = ("How does photosynthesis work in a leaf?", "Solve x^2 - 5x + 6 = 0 and show the steps.")
SUCCESS = {"claude-haiku": 0.9, "claude-sonnet": 0.2, "not-in-the-catalogue": 0.5}


def policy() -> dict[str, Any]:
    config = yaml.safe_load(project_path("serve_config.yaml").read_text())
    user_config: dict[str, Any] = config["applications"][0]["deployments"][0]["user_config"]
    return user_config


def graph(engine: dict[str, Any] | None, classifier: dict[str, Any] | None, memory: Path) -> Application:
    """With these as their user_config, and this folder for the memory."""
    args = RouterArgs(memory=MemoryConfig(folder=str(memory)))
    leaves = (
        serve.deployment(FeatureExtractor).bind(args),
        serve.deployment(user_config=classifier)(Classifier).bind(args),
        serve.deployment(Retriever).bind(args),
    )
    return serve.deployment(user_config=engine)(DecisionEngine).bind(CATALOGUE, *leaves)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator["DeploymentHandle[Any]"]:
    folder = make_artifact(tmp_path_factory.mktemp("classifier") / "c1", SUCCESS, domain=Domain.HEALTH, version="c1")
    memory = remembered(tmp_path_factory.mktemp("memory"))
    handle = serve.run(graph(policy(), {"artifact": str(folder)}, memory), _local_testing_mode=True)

    def is_complete() -> bool:
        return not handle.decide.remote(requests()).result()[0].skipped

    wait_until(is_complete, 20, "the classifier and the memory")  # this mode does not wait for `reconfigure`
    yield handle
    serve.shutdown()


def remembered(folder: Path) -> Path:
    """By the memory of the tenant `taught`, claude-sonnet is good at the first text, and claude-haiku is not."""
    outcomes = (PastOutcome("claude-haiku", 0.0), PastOutcome("claude-sonnet", 1.0))
    (vector,) = MiniLMEmbedder(ensure_minilm()).embed(TEXTS[:1])
    memories = [Memory(f"r{n}", "taught", "u", time(), outcomes, vector=vector.tobytes()) for n in range(32)]

    async def fill() -> None:
        history = await ChromaHistory.open(MemoryConfig(folder=str(folder)), None)
        await history.add(memories)
        await history.close()

    asyncio.run(fill())
    return folder


def requests(tenant: str = "default") -> list[DecisionRequest]:
    needs = frozenset({Capability.CHAT})
    queries = (Query("r", text, "u", Tier.PRO, "auto", 10, needs, PLAIN, tenant=tenant) for text in TEXTS)
    return [DecisionRequest(query, {"llama": "loading"}) for query in queries]


def test_a_batch_is_decided_on_real_embeddings_and_predictions(engine: "DeploymentHandle[Any]") -> None:
    decisions = engine.decide.remote(requests()).result()
    assert [decision.cause for decision in decisions] == [Cause.SCORED, Cause.SCORED]
    assert all(decision.rejected["llama"] == "loading" for decision in decisions)
    assert all(decision.skipped == {} for decision in decisions)
    assert all(decision.classifier_version == "c1" for decision in decisions)
    assert [decision.domain for decision in decisions] == [Domain.HEALTH, Domain.HEALTH]  # as the artefact is made
    first, second = (decision.prediction.success for decision in decisions)
    assert set(first) == {"claude-haiku", "claude-sonnet"}
    assert first != second  # the encoder's layers reach the heads


def test_past_outcomes_of_the_tenant_decide(engine: "DeploymentHandle[Any]") -> None:
    def quality(tenant: str) -> tuple[float, float]:
        first = engine.decide.remote(requests(tenant)).result()[0]
        factors = {candidate.model: candidate.factors["quality"] for candidate in first.candidates}
        return factors["claude-haiku"], factors["claude-sonnet"]

    haiku, sonnet = quality("default")
    assert haiku > sonnet  # as the classifier says
    taught_haiku, taught_sonnet = quality("taught")
    assert taught_haiku < haiku
    assert taught_sonnet > sonnet


def test_a_memory_that_cannot_be_opened_is_skipped_and_the_others_decide(tmp_path: Path) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    handle = serve.run(graph(policy(), None, tmp_path), name="broken-memory", _local_testing_mode=True)
    (decision, _) = handle.decide.remote(requests()).result()
    assert (decision.cause, decision.skipped[Stage.MEMORY]) == (Cause.DEGRADED, Skip.FAILED)


def test_a_memory_that_is_switched_off_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.decision_engine.read_settings", lambda: Settings(enable_rag_routing=False))
    handle = serve.run(graph(policy(), None, tmp_path / "memory"), name="no-memory", _local_testing_mode=True)
    (decision, _) = handle.decide.remote(requests()).result()
    assert decision.skipped[Stage.MEMORY] == Skip.OFF
    assert not (tmp_path / "memory").exists()


def test_without_an_artefact_the_classifier_is_skipped_and_the_embedding_decides(tmp_path: Path) -> None:
    handle = serve.run(graph(policy(), None, tmp_path), name="without", _local_testing_mode=True)
    decisions = handle.decide.remote(requests()).result()
    assert [decision.cause for decision in decisions] == [Cause.DEGRADED, Cause.DEGRADED]
    assert [decision.skipped[Stage.CLASSIFIER] for decision in decisions] == [Skip.FAILED, Skip.FAILED]
    assert [decision.domain for decision in decisions] == [Domain.SCIENCE, Domain.MATH]


def test_a_broken_artefact_at_the_start_says_why_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """On a cluster the replica does not start; this mode throws the error of `reconfigure` away."""
    folder, said = make_artifact(tmp_path / "c1", SUCCESS, encoder="other"), []
    handle = serve.run(graph(policy(), {"artifact": str(folder)}, tmp_path), name="broken", _local_testing_mode=True)

    def says_why() -> bool:
        said.append(capfd.readouterr().err)
        return f"cannot start: {folder}/manifest.json: encoder is other, this router has" in "".join(said)

    wait_until(says_why, 10, "the reason")
    assert Stage.CLASSIFIER in handle.decide.remote(requests()).result()[0].skipped


def test_an_engine_without_policy_says_what_is_missing(tmp_path: Path) -> None:
    handle = serve.run(graph(None, None, tmp_path), name="bare", _local_testing_mode=True)
    with pytest.raises(ConfigError, match="no user_config"):
        handle.decide.remote(requests()).result()
