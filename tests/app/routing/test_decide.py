"""Eligibility, the score, and what a decision says when stages are late, broken or not there."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.domain import (
    Capability,
    Cause,
    Decision,
    Domain,
    Embedding,
    Prediction,
    Query,
    Skip,
    Stage,
    TextFeatures,
    Tier,
)
from app.errors import ConfigError, ContextTooLong, NoModelAvailable, NotEligible, StageBusy, UnknownModel
from app.paths import project_path
from app.routing.decide import DecisionEngine
from app.routing.eligibility import split
from app.routing.quick import QuickDecider
from app.routing.rules import RuleBook
from app.routing.scored import DecisionRequest
from app.routing.weights import Policy
from tests.fakes.router import catalogue, shipped_policy

MODELS = catalogue("http://127.0.0.1:1")
POLICY = shipped_policy()
PLAIN = TextFeatures(10, 1, 0, 0, 1, 0, 0, "en", Domain.GENERAL, {Domain.GENERAL: 1.0}, 0.2)
QUERY = Query("r", "Why is the sky blue?", "u", Tier.FREE, "auto", 10, frozenset({Capability.CHAT}), PLAIN)


def query(complexity: float = 0.2, domain: Domain = Domain.GENERAL, **changes: Any) -> Query:
    return replace(QUERY, features=replace(PLAIN, complexity=complexity, domain=domain), **changes)


def quick() -> QuickDecider:
    return QuickDecider(MODELS, RuleBook.read(project_path("configs/rules.yaml"), MODELS))


@pytest.mark.parametrize(
    ("changes", "rejected"),
    [
        ({}, {}),
        ({"tokens": 600}, {"small": "context_too_small"}),
        ({"tokens": 400, "max_output_tokens": 200}, {"small": "context_too_small"}),
        (
            {"needs": frozenset({Capability.CHAT, Capability.VISION})},
            dict.fromkeys(("small", "strong", "keyless"), "no_vision"),
        ),
        (
            {"needs": frozenset({Capability.CHAT, Capability.TOOLS})},
            dict.fromkeys(("small", "strong", "keyless"), "no_tools"),
        ),
    ],
)
def test_models_that_cannot_take_the_query_are_not_scored(changes: dict[str, Any], rejected: dict[str, str]) -> None:
    eligible, reasons = split(query(**changes), MODELS.models.values(), {})
    assert reasons == rejected
    assert {spec.id for spec in eligible} == MODELS.models.keys() - rejected.keys()


def test_a_model_may_be_kept_for_some_tiers() -> None:
    strong = MODELS.models["strong"].model_copy(update={"allowed_tiers": frozenset({Tier.PRO})})
    assert split(query(tier=Tier.PRO), [strong], {})[0] == [strong]
    with pytest.raises(NotEligible, match="strong: tier_not_allowed"):
        split(query(tier=Tier.FREE), [strong], {})


def test_a_model_that_may_come_back_is_worth_waiting_for() -> None:
    with pytest.raises(NoModelAvailable):
        split(query(tokens=600), MODELS.models.values(), dict.fromkeys(("medium", "strong", "keyless"), "loading"))
    with pytest.raises(ContextTooLong):
        split(query(tokens=100_000), MODELS.models.values(), dict.fromkeys(MODELS.models, "loading"))


def test_a_query_longer_than_every_window_is_the_callers_fault() -> None:
    with pytest.raises(ContextTooLong) as error:
        split(query(tokens=100_000), MODELS.models.values(), {"keyless": "no_key:OPENAI_API_KEY"})
    assert error.value.param == "query"


def test_nobody_left_says_why_and_when_to_come_back() -> None:
    with pytest.raises(NoModelAvailable, match="small: loading") as error:
        split(query(), MODELS.models.values(), dict.fromkeys(MODELS.models, "loading"))
    assert error.value.retry_after_s


def test_a_certain_rule_puts_its_models_first_and_keeps_the_others_as_fallbacks() -> None:
    asked = replace(QUERY, text="hello")
    decision = quick().by_rule(DecisionRequest(asked, {}), POLICY)
    assert isinstance(decision, Decision)
    assert (decision.cause, decision.rule, decision.model) == (Cause.RULE, "greeting", "small")
    assert {candidate.model for candidate in decision.candidates} == MODELS.models.keys()
    assert decision.skipped[Stage.CLASSIFIER] is Skip.NOT_NEEDED


def test_a_rule_whose_models_are_not_eligible_is_passed_over() -> None:
    decision = quick().by_rule(DecisionRequest(replace(QUERY, text="hello"), {"small": "loading"}), POLICY)
    assert not isinstance(decision, Decision)


def test_a_model_that_nobody_knows_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownModel, match="known: auto, small, medium"):
        quick().requested(DecisionRequest(replace(QUERY, model="nope"), {}), POLICY)


class Extractor:
    def __init__(self, pause_s: float = 0.0, error: Exception | None = None) -> None:
        self.pause_s, self.error, self.batches = pause_s, error, 0

    async def embed(self, texts: list[str]) -> list[Embedding]:
        self.batches += 1
        await asyncio.sleep(self.pause_s)
        if self.error:
            raise self.error
        return [Embedding([1.0], {Domain.MATH: 0.9}) for _ in texts]


SUCCESS = {"strong": 1.0, "medium": 0.0, "small": 0.0, "gone": 1.0}


class FixedClassifier:
    def __init__(self, pause_s: float = 0.0, error: Exception | None = None) -> None:
        self.pause_s, self.error = pause_s, error

    async def predict(self, queries: list[Query], embeddings: list[Embedding]) -> list[Prediction]:
        assert len(queries) == len(embeddings)
        await asyncio.sleep(self.pause_s)
        if self.error:
            raise self.error
        return [Prediction(SUCCESS, 0.7, Domain.SCIENCE, "c7", support=dict.fromkeys(SUCCESS, 0.9)) for _ in queries]


def requests(count: int = 1) -> list[DecisionRequest]:
    return [DecisionRequest(replace(QUERY, request_id=str(i)), {"keyless": "no_key"}) for i in range(count)]


async def test_the_engine_embeds_a_batch_in_one_call() -> None:
    extractor = Extractor()
    engine = DecisionEngine(MODELS, POLICY, embedder=extractor)
    decisions = await engine.decide(requests(5))
    assert [decision.request_id for decision in decisions] == ["0", "1", "2", "3", "4"]
    assert extractor.batches == 1
    assert decisions[0].cause is Cause.SCORED
    assert decisions[0].domain is Domain.MATH
    assert decisions[0].skipped == {Stage.CLASSIFIER: Skip.NOT_INSTALLED, Stage.MEMORY: Skip.NOT_INSTALLED}


async def test_the_engine_uses_the_classifier_when_there_is_one() -> None:
    engine = DecisionEngine(MODELS, POLICY, embedder=Extractor(), classifier=FixedClassifier())
    (decision,) = await engine.decide(requests())
    assert (decision.model, decision.classifier_version, decision.domain) == ("strong", "c7", Domain.SCIENCE)
    assert decision.skipped == {Stage.MEMORY: Skip.NOT_INSTALLED}
    assert set(decision.stages_ms) == {Stage.EMBEDDING, Stage.CLASSIFIER}


async def test_a_decision_keeps_the_figures_of_models_that_can_be_chosen() -> None:
    engine = DecisionEngine(MODELS, POLICY, embedder=Extractor(), classifier=FixedClassifier())
    (decision,) = await engine.decide(requests())
    assert decision.prediction is not None
    assert set(decision.prediction.success) == set(decision.prediction.support) == {"strong", "medium", "small"}


@pytest.mark.parametrize(
    ("classifier", "why"),
    [(FixedClassifier(pause_s=30), Skip.LATE), (FixedClassifier(error=RuntimeError("dead")), Skip.FAILED)],
)
async def test_a_late_or_broken_classifier_leaves_the_embedding_in(classifier: FixedClassifier, why: Skip) -> None:
    """Its own time limit: the encoder may take longer."""
    policy = POLICY.model_copy(update={"classifier_timeout_ms": 20})
    engine = DecisionEngine(MODELS, policy, embedder=Extractor(pause_s=0.05), classifier=classifier)
    (decision,) = await engine.decide(requests())
    assert decision.cause is Cause.DEGRADED
    assert decision.skipped == {Stage.CLASSIFIER: why, Stage.MEMORY: Skip.NOT_INSTALLED}
    assert (decision.domain, decision.prediction, decision.classifier_version) == (Domain.MATH, None, None)


@pytest.mark.parametrize(
    ("extractor", "why"),
    [
        (Extractor(pause_s=30), Skip.LATE),
        (Extractor(error=RuntimeError("dead")), Skip.FAILED),
        (Extractor(error=StageBusy("full")), Skip.BUSY),
    ],
)
async def test_a_late_or_broken_stage_is_skipped_and_the_decision_says_so(extractor: Extractor, why: Skip) -> None:
    policy = POLICY.model_copy(update={"embedding_timeout_ms": 20})
    (decision,) = await DecisionEngine(MODELS, policy, embedder=extractor).decide(requests())
    assert decision.cause is Cause.DEGRADED
    assert decision.skipped[Stage.EMBEDDING] is why
    assert decision.candidates


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("weights", "free", "quality"), -1, "weights.free.quality"),
        (("weights", "free", "cost"), float("nan"), "weights.free.cost"),
        (("weights", "free", "speed"), 1, "weights.free.speed: unknown key"),
        (("weights", "gold"), {}, "weights.gold"),
        (("quality_prior", "softness"), 0, "quality_prior.softness"),
        (("classifier_timeout_ms",), 0, "classifier_timeout_ms"),
        (("version",), "", "version"),
    ],
)
def test_a_broken_policy_is_refused(path: tuple[str, ...], value: object, expected: str) -> None:
    config: dict[str, Any] = POLICY.model_dump(mode="json")
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ConfigError) as error:
        Policy.read(config, "user_config")
    assert expected in error.value.message


@pytest.mark.parametrize("missing", ["free", "pro"])
def test_a_policy_needs_every_tier_and_some_weight(missing: str) -> None:
    config: dict[str, Any] = POLICY.model_dump(mode="json")
    config["weights"][missing] = dict.fromkeys(("quality", "cost", "latency", "hint"), 0)
    with pytest.raises(ConfigError, match="all zero"):
        Policy.read(config, "user_config")
    del config["weights"][missing]
    with pytest.raises(ConfigError, match=f"missing for {missing}"):
        Policy.read(config, "user_config")
