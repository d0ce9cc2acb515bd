"""The score: quality from the prior and the prediction, cost and latency, and how sure the choice is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain import Candidate, Domain, Limits, Prediction, Query, Tier
from app.models.catalogue import ModelSpec
from app.routing import scoring
from app.routing.estimates import estimates
from app.routing.evidence import Evidence, Hint
from app.routing.weights import Exploration
from tests.app.routing.test_decide import MODELS, POLICY, query

NOTHING = Evidence()


def ranked(
    asked: Query, specs: Sequence[ModelSpec], evidence: Evidence = NOTHING, hint: Hint | None = None
) -> tuple[Candidate, ...]:
    return scoring.rank(asked, estimates(asked, specs, POLICY, evidence, {}), POLICY, hint)


def rank(asked: Query, evidence: Evidence = NOTHING) -> list[str]:
    specs = [MODELS.models[name] for name in ("small", "strong")]
    return [candidate.model for candidate in ranked(asked, specs, evidence)]


def test_complexity_moves_the_choice_from_the_cheap_to_the_strong() -> None:
    assert rank(query(0.05))[0] == "small"
    assert rank(query(0.45, tier=Tier.FREE))[0] == "small"
    assert rank(query(0.95, tier=Tier.ENTERPRISE))[0] == "strong"


def test_the_tiers_weigh_differently() -> None:
    asked = query(0.45)
    assert rank(replace(asked, tier=Tier.FREE))[0] == "small"
    assert rank(replace(asked, tier=Tier.ENTERPRISE))[0] == "strong"


def test_the_classifiers_prediction_goes_before_the_prior() -> None:
    success = {"small": 0.99, "strong": 0.1}
    evidence = Evidence(prediction=Prediction(success, 0.9, Domain.MATH, "c1"))
    assert rank(query(0.95, tier=Tier.ENTERPRISE), evidence)[0] == "small"


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
    three = (Candidate("strong", 0.8, {}, None), Candidate("small", 0.7, {}, None), Candidate("medium", 0.1, {}, None))
    plain = scoring.confidence(three, POLICY)
    prediction = Prediction(success, 0.5, Domain.GENERAL, "c1", support=support)
    assert plain == pytest.approx(0.75)
    assert scoring.confidence(three, POLICY, prediction) == pytest.approx(0.5 + (plain - 0.5) * trust)
    assert scoring.confidence(three[:1], POLICY, prediction) == 1.0


def test_every_factor_lies_between_0_and_1_and_unknown_prices_are_none() -> None:
    found = ranked(query(), list(MODELS.models.values()), hint=Hint("r", frozenset({"small"})))
    factors = {candidate.model: candidate.factors for candidate in found}
    assert factors["keyless"]["cost"] is None
    assert factors["small"]["hint"] == 1.0
    assert all(0 <= value <= 1 for each in factors.values() for value in each.values() if value is not None)
    assert all(0 <= candidate.score <= 1 for candidate in found)
    assert next(c for c in found if c.model == "keyless").cost_usd is None


def test_the_expected_cost_is_that_of_prompt_and_answer() -> None:
    (candidate,) = ranked(query(tokens=1000), [MODELS.models["medium"]])
    assert candidate.cost_usd == pytest.approx((1000 * 1 + POLICY.expected_output_tokens * 2) / 1e6)


def test_a_hint_tips_a_near_tie() -> None:
    even = MODELS.models["medium"]
    twin = even.model_copy(update={"id": "twin"})
    found = ranked(query(0.4), [even, twin], hint=Hint("r", frozenset({"twin"})))
    assert found[0].model == "twin"


def test_confidence_grows_with_the_margin() -> None:
    specs = [MODELS.models["medium"], MODELS.models["medium"].model_copy(update={"id": "twin"})]
    tie = ranked(query(), specs)
    clear = ranked(query(0.95, tier=Tier.ENTERPRISE), list(MODELS.models.values()))
    assert scoring.confidence(tie, POLICY) == 0.5
    assert 0.5 < scoring.confidence(clear, POLICY) <= 1
    assert scoring.confidence(tie[:1], POLICY) == 1.0


def test_a_quality_floor_takes_the_cheapest_that_reaches_it_then_the_best() -> None:
    success = {"small": 0.5, "medium": 0.8, "strong": 0.95}
    evidence = Evidence(prediction=Prediction(success, 0.5, Domain.MATH, "c1"))
    specs = [MODELS.models[name] for name in success]
    for floor, order in (
        (0.4, ["small", "medium", "strong"]),
        (0.7, ["medium", "strong", "small"]),
        (0.99, ["strong", "medium", "small"]),
    ):
        asked = replace(query(), limits=Limits(quality_floor=floor))
        assert [candidate.model for candidate in ranked(asked, specs, evidence)] == order


def test_the_cost_of_a_long_query_weighs_more_than_that_of_a_short_one() -> None:
    """In dollars: a spread of each query's own would make both alike."""
    specs = [MODELS.models[name] for name in ("medium", "strong")]
    short, long = (
        {item.model: item.factors["cost"] for item in ranked(query(tokens=tokens), specs)}
        for tokens in (POLICY.expected_input_tokens, 5000)
    )
    assert short == pytest.approx({"medium": 1.0, "strong": 0.0})
    assert long["strong"] is not None
    assert long["strong"] < -1


def near(*scores: float) -> tuple[Candidate, ...]:
    return tuple(Candidate(f"m{at}", score, {}, None) for at, score in enumerate(scores))


def test_near_ties_are_explored_as_often_as_their_propensity_says() -> None:
    candidates, exploration = near(0.8, 0.79, 0.785, 0.5), Exploration(share=0.3, margin=0.02)
    tried = [scoring.explore(candidates, exploration, f"request {at}") for at in range(4000)]
    chosen = Counter(one.candidates[0].model for one in tried)
    assert set(chosen) == {"m0", "m1", "m2"}
    expected = {"m0": 0.8, "m1": 0.1, "m2": 0.1}
    for one in tried:
        assert one.propensity == pytest.approx(expected[one.candidates[0].model])
        assert one.explored == (one.candidates[0].model != "m0")
        assert sorted(item.model for item in one.candidates) == ["m0", "m1", "m2", "m3"]
    for model, propensity in expected.items():
        assert chosen[model] / 4000 == pytest.approx(propensity, abs=0.025)


@pytest.mark.parametrize("exploration", [Exploration(share=0, margin=0.1), Exploration(share=0.5, margin=0.001)])
def test_without_near_ties_or_a_share_nothing_is_explored(exploration: Exploration) -> None:
    tried = [scoring.explore(near(0.8, 0.75), exploration, str(at)) for at in range(50)]
    assert all(one == scoring.Explored(near(0.8, 0.75), 1.0) for one in tried)
