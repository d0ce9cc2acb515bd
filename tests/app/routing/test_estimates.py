"""What is expected of each model: quality from prior, prediction and memory, cost, latency, and the caller's limits."""

from dataclasses import replace
from math import exp

import pytest

from app.domain import Domain, Embedding, Limits, Prediction, Recollection
from app.errors import NotEligible
from app.routing import estimates as scoring
from app.routing.evidence import Evidence
from tests.app.routing.test_decide import MODELS, POLICY, query

SPECS = list(MODELS.models.values())


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


def test_the_embedding_names_the_domain_when_the_text_does_not() -> None:
    evidence = Evidence(embedding=Embedding([0.0], {Domain.HEALTH: 0.6, Domain.MATH: 0.1}))
    far = Evidence(embedding=Embedding([0.0], {Domain.HEALTH: 0.05, Domain.MATH: 0.01}))
    assert scoring.domain_of(query(), evidence, POLICY) is Domain.HEALTH
    assert scoring.domain_of(query(domain=Domain.CODING), evidence, POLICY) is Domain.CODING
    assert scoring.domain_of(query(), far, POLICY) is Domain.GENERAL


def test_the_memory_weighs_as_much_as_its_sample() -> None:
    small, asked = MODELS.models["small"], query(0.1)
    expected = scoring.quality(asked, small, POLICY, Evidence(), Domain.GENERAL)
    strength = POLICY.strength.prior
    for sample, share in ((0.0, 0.0), (strength / 3, 0.25), (strength, 0.5), (9 * strength, 0.9)):
        recalled = Recollection({"small": 0.2}, {"small": sample}, neighbours=30)
        found = scoring.quality(asked, small, POLICY, Evidence(recollection=recalled), Domain.GENERAL)
        assert found == pytest.approx((1 - share) * expected + share * 0.2)


def test_the_classifier_holds_out_against_the_memory_as_far_as_its_support_goes() -> None:
    small, asked, strength = MODELS.models["small"], query(0.1), POLICY.strength
    recalled = Recollection({"small": 0.0}, {"small": 10.0}, neighbours=30)
    for support, weight in ((1.0, strength.classifier), (0.5, (strength.classifier + strength.prior) / 2)):
        predicted = Prediction({"small": 0.9}, 0.7, Domain.GENERAL, "c1", support={"small": support})
        alone, both = (
            scoring.quality(asked, small, POLICY, Evidence(prediction=predicted, recollection=one), Domain.GENERAL)
            for one in (None, recalled)
        )
        assert both == pytest.approx(alone * weight / (weight + 10))


def test_an_answers_length_is_the_classifiers_then_the_memorys_then_the_usual() -> None:
    predicted = Prediction({}, 0.5, Domain.GENERAL, "c1", output_tokens={"small": 50.0})
    recalled = Recollection(output_tokens={"small": 90.0, "medium": 70.0})
    both = Evidence(prediction=predicted, recollection=recalled)
    for model, evidence, tokens in (
        ("small", both, 50),
        ("medium", both, 70),
        ("strong", both, POLICY.expected_output_tokens),
        ("small", Evidence(), POLICY.expected_output_tokens),
    ):
        assert scoring.output_tokens(query(), model, POLICY, evidence) == tokens
    assert scoring.output_tokens(replace(query(), max_output_tokens=20), "small", POLICY, both) == 20


def test_the_predicted_length_is_in_the_cost() -> None:
    predicted = Prediction({}, 0.5, Domain.GENERAL, "c1", output_tokens={"medium": 1000.0})
    (found,) = scoring.estimates(
        query(tokens=10), [MODELS.models["medium"]], POLICY, Evidence(prediction=predicted), {"medium": 12.0}
    )
    assert found.cost_usd == pytest.approx((10 * 1 + 1000 * 2) / 1e6)
    assert found.latency_ms == 12.0


def test_limits_leave_out_what_costs_or_takes_too_much_and_costs_that_nobody_knows() -> None:
    found = scoring.estimates(query(), SPECS, POLICY, Evidence(), {"medium": 50.0})
    kept, over = scoring.limited(Limits(max_cost_usd=0.001), found)
    assert [one.spec.id for one in kept] == ["small", "medium"]
    assert over == {"strong": "over_max_cost_usd", "keyless": "cost_unknown"}
    kept, over = scoring.limited(Limits(max_latency_ms=100.0), found)
    assert [one.spec.id for one in kept] == ["medium"]
    assert set(over.values()) == {"over_max_latency_ms"}


def test_nobody_within_the_limits_is_the_callers_fault_and_says_what_would_do() -> None:
    found = scoring.estimates(query(), [MODELS.models["strong"]], POLICY, Evidence(), {})
    with pytest.raises(NotEligible, match=r"max_cost_usd 1e-09 .* cheapest is expected to cost 0\.015"):
        scoring.limited(Limits(max_cost_usd=1e-9), found)
