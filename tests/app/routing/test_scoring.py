"""The score: quality from the prior and the prediction, cost and latency, and how sure the choice is."""

from dataclasses import replace
from math import exp

import pytest

from app.domain import Candidate, Domain, Embedding, Prediction, Query, Tier
from app.routing import scoring
from app.routing.evidence import Evidence, Hint
from tests.app.routing.test_decide import MODELS, POLICY, query


def rank(asked: Query, evidence: Evidence | None = None) -> list[str]:
    specs = [MODELS.models[name] for name in ("small", "strong")]
    return [candidate.model for candidate in scoring.rank(asked, specs, POLICY, evidence or Evidence())]


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
