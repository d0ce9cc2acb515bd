"""Eligibility, the score, and what a decision says when stages are late, broken or not there."""

import asyncio
from dataclasses import replace
from math import exp
from typing import Any

import pytest

from app.domain import (
    Candidate,
    Capability,
    Cause,
    Decision,
    Domain,
    Embedding,
    Evidence,
    Hint,
    Prediction,
    Query,
    Skip,
    Stage,
    TextFeatures,
    Tier,
)
from app.errors import ConfigError, ContextTooLong, NoModelAvailable, NotEligible, UnknownModel
from app.paths import project_path
from app.routing import scoring
from app.routing.decide import DecisionEngine, DecisionRequest, QuickDecider
from app.routing.eligibility import split
from app.routing.rules import RuleBook
from app.routing.weights import Policy
from tests.fakes.router import catalogue, shipped_policy

MODELS = catalogue("http://127.0.0.1:1")
POLICY = shipped_policy()
PLAIN = TextFeatures(10, 1, 0, 0, 1, 0, 0, "en", Domain.GENERAL, {Domain.GENERAL: 1.0}, 0.2)
QUERY = Query("r", "Why is the sky blue?", "u", Tier.FREE, "auto", 10, frozenset({Capability.CHAT}), PLAIN)


def query(complexity: float = 0.2, domain: Domain = Domain.GENERAL, **changes: Any) -> Query:
    return replace(QUERY, features=replace(PLAIN, complexity=complexity, domain=domain), **changes)


def rank(asked: Query, evidence: Evidence | None = None) -> list[str]:
    specs = [MODELS.models[name] for name in ("small", "strong")]
    return [candidate.model for candidate in scoring.rank(asked, specs, POLICY, evidence or Evidence())]


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


def test_complexity_moves_the_choice_from_the_cheap_to_the_strong() -> None:
    assert rank(query(0.05))[0] == "small"
    assert rank(query(0.5, tier=Tier.FREE))[0] == "small"
    assert rank(query(0.95, tier=Tier.ENTERPRISE))[0] == "strong"


def test_the_tiers_weigh_differently() -> None:
    asked = query(0.5)
    assert rank(replace(asked, tier=Tier.FREE))[0] == "small"
    assert rank(replace(asked, tier=Tier.ENTERPRISE))[0] == "strong"


def test_the_classifiers_prediction_goes_before_the_prior() -> None:
    success = {"small": 0.99, "strong": 0.1}
    evidence = Evidence(prediction=Prediction(success, 0.9, Domain.MATH, "c1"))
    assert rank(query(0.95, tier=Tier.ENTERPRISE), evidence)[0] == "small"


@pytest.mark.parametrize(("support", "expected"), [({}, 0.9), ({"small": 1.0}, 0.9), ({"small": 0.0}, None)])
def test_quality_moves_from_the_prior_to_the_prediction_with_its_support(
    support: dict[str, float], expected: float | None
) -> None:
    """Without a figure for support, the prediction counts whole."""
    small, asked = MODELS.models["small"], query(0.1)
    bare = Evidence(prediction=Prediction({}, 0.7, Domain.GENERAL, "c1"))
    prior = scoring.quality(asked, small, POLICY, bare, Domain.GENERAL)
    assert prior == pytest.approx(1 / (1 + exp(-(0.30 - 0.7) / 0.12)))  # the predicted difficulty, not the text's
    evidence = Evidence(prediction=Prediction({"small": 0.9}, 0.7, Domain.GENERAL, "c1", support=support))
    quality = scoring.quality(asked, small, POLICY, evidence, Domain.GENERAL)
    assert quality == pytest.approx(prior if expected is None else expected)


def test_half_support_lies_half_way() -> None:
    small, asked = MODELS.models["small"], query()
    whole, half, none = (
        scoring.quality(
            asked,
            small,
            POLICY,
            Evidence(prediction=Prediction({"small": 0.9}, 0.7, Domain.GENERAL, "c1", support={"small": support})),
            Domain.GENERAL,
        )
        for support in (1.0, 0.5, 0.0)
    )
    assert half == pytest.approx((whole + none) / 2)


@pytest.mark.parametrize(
    ("success", "support", "trust"),
    [
        ({"strong": 0.9, "small": 0.1}, {"strong": 1.0, "small": 1.0}, 1.0),
        ({"strong": 0.9, "small": 0.1}, {}, 1.0),
        ({"strong": 0.9, "small": 0.1}, {"strong": 0.6, "small": 0.2}, 0.4),
        ({"strong": 0.9}, {"strong": 0.7}, 0.6),  # a model that the classifier does not know counts 0.5
        ({"other": 0.9}, {"other": 0.1}, 1.0),  # it knows neither: the prior compares them, as without it
    ],
)
def test_confidence_falls_with_the_support_of_the_first_two(
    success: dict[str, float], support: dict[str, float], trust: float
) -> None:
    ranked = (Candidate("strong", 0.8, {}, None), Candidate("small", 0.7, {}, None), Candidate("medium", 0.1, {}, None))
    plain = scoring.confidence(ranked, POLICY)
    prediction = Prediction(success, 0.5, Domain.GENERAL, "c1", support=support)
    assert plain == pytest.approx(0.75)
    assert scoring.confidence(ranked, POLICY, prediction) == pytest.approx(0.5 + (plain - 0.5) * trust)
    assert scoring.confidence(ranked[:1], POLICY, prediction) == 1.0


def test_every_factor_lies_between_0_and_1_and_unknown_prices_are_none() -> None:
    ranked = scoring.rank(query(), list(MODELS.models.values()), POLICY, Evidence(), Hint("r", frozenset({"small"})))
    factors = {candidate.model: candidate.factors for candidate in ranked}
    assert factors["keyless"]["cost"] is None
    assert factors["small"]["hint"] == 1.0
    assert all(0 <= value <= 1 for each in factors.values() for value in each.values() if value is not None)
    assert all(0 <= candidate.score <= 1 for candidate in ranked)
    assert next(c for c in ranked if c.model == "keyless").cost_usd is None


def test_the_expected_cost_is_that_of_prompt_and_answer() -> None:
    (candidate,) = scoring.rank(query(tokens=1000), [MODELS.models["medium"]], POLICY, Evidence())
    assert candidate.cost_usd == pytest.approx((1000 * 1 + POLICY.expected_output_tokens * 2) / 1e6)


def test_a_hint_tips_a_near_tie() -> None:
    even = MODELS.models["medium"]
    twin = even.model_copy(update={"id": "twin"})
    ranked = scoring.rank(query(0.4), [even, twin], POLICY, Evidence(), Hint("r", frozenset({"twin"})))
    assert ranked[0].model == "twin"


def test_the_embedding_names_the_domain_when_the_text_does_not() -> None:
    evidence = Evidence(embedding=Embedding([0.0], {Domain.HEALTH: 0.6, Domain.MATH: 0.1}))
    far = Evidence(embedding=Embedding([0.0], {Domain.HEALTH: 0.05, Domain.MATH: 0.01}))
    assert scoring.domain_of(query(), evidence, POLICY) is Domain.HEALTH
    assert scoring.domain_of(query(domain=Domain.CODING), evidence, POLICY) is Domain.CODING
    assert scoring.domain_of(query(), far, POLICY) is Domain.GENERAL


def test_confidence_grows_with_the_margin() -> None:
    specs = [MODELS.models["medium"], MODELS.models["medium"].model_copy(update={"id": "twin"})]
    tie = scoring.rank(query(), specs, POLICY, Evidence())
    clear = scoring.rank(query(0.95, tier=Tier.ENTERPRISE), list(MODELS.models.values()), POLICY, Evidence())
    assert scoring.confidence(tie, POLICY) == 0.5
    assert 0.5 < scoring.confidence(clear, POLICY) <= 1
    assert scoring.confidence(tie[:1], POLICY) == 1.0


def test_a_certain_rule_puts_its_models_first_and_keeps_the_others_as_fallbacks() -> None:
    asked = replace(QUERY, text="hello")
    decision = quick().by_rule(asked, {}, POLICY)
    assert isinstance(decision, Decision)
    assert (decision.cause, decision.rule, decision.model) == (Cause.RULE, "greeting", "small")
    assert {candidate.model for candidate in decision.candidates} == MODELS.models.keys()
    assert decision.skipped[Stage.CLASSIFIER] is Skip.NOT_NEEDED


def test_a_rule_whose_models_are_not_eligible_is_passed_over() -> None:
    decision = quick().by_rule(replace(QUERY, text="hello"), {"small": "loading"}, POLICY)
    assert not isinstance(decision, Decision)


def test_a_model_that_nobody_knows_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownModel, match="known: auto, small, medium"):
        quick().requested(replace(QUERY, model="nope"), {}, POLICY)


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
    ("extractor", "why"), [(Extractor(pause_s=30), Skip.LATE), (Extractor(error=RuntimeError("dead")), Skip.FAILED)]
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
