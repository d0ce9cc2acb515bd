"""What replay says a policy does is what the serving code does."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain import Capability, Provider, QualityTier, Query, Tier
from app.models.catalogue import ModelSpec, Prices
from app.routing import scoring
from app.routing.estimates import Estimate
from app.routing.evidence import Hint
from app.routing.weights import Exploration, Weights
from tests.train.replayed import MODELS, full, policy
from train.replayed.policies import always, choose, probabilities, random, with_cost
from train.replayed.traffic import Traffic

TRAFFIC = full(300)


def spec(model: str, output_usd: float) -> ModelSpec:
    return ModelSpec(
        id=model,
        provider=Provider.LOCAL,
        upstream_name=model,
        prices_usd_per_million=Prices(input=0, output=output_usd),
        context_window_tokens=1000,
        capabilities=frozenset(Capability),
        quality_tier=QualityTier.LOW,
        expected_latency_ms=1000,
    )


def served(traffic: Traffic, line: int, *, hint: Hint | None, floor: float, share: float = 0.3) -> scoring.Explored:
    """By the code that serves, on what replay knows of one query."""
    query = Query(f"r{line}", "?", "ann", traffic.tier, "auto", 10, frozenset())
    found = [
        Estimate(
            spec(model, float(traffic.prices[at, 1]) * 1e6),
            float(traffic.quality[line, at]),
            float(traffic.cost_usd[line, at]),
            float(np.nan_to_num(traffic.latency_ms[line, at])),
        )
        for at, model in enumerate(traffic.models)
        if traffic.eligible[line, at]
    ]
    live = exploring(share, floor)
    ranked = scoring.rank(query, found, live, hint)
    return scoring.Explored(ranked, 1.0) if floor else scoring.explore(ranked, live.exploration, query.request_id)


def exploring(share: float, floor: float = 0.0):  # type: ignore[no-untyped-def]
    live = policy(exploration=Exploration(share=share, margin=0.05))
    weights = {tier: one.model_copy(update={"quality_floor": floor}) for tier, one in live.weights.items()}
    return live.model_copy(update={"weights": weights})


@pytest.mark.parametrize("floor", [0.0, 0.6])
@pytest.mark.parametrize("hinted", [False, True])
def test_choices_and_propensities_are_those_of_the_serving_code(hinted: bool, floor: float) -> None:
    random_ = np.random.default_rng(3)
    eligible = random_.random(TRAFFIC.quality.shape) < 0.8
    eligible[:, 1] = True
    latency = np.where(eligible, 1.0, np.nan)  # one latency for all: no spread
    hint = np.where(eligible, np.array([0.0, 0.0, 1.0]), np.nan) if hinted else TRAFFIC.hint
    costs = np.asarray(TRAFFIC.cost_usd) * random_.lognormal(0, 0.5, eligible.shape)
    traffic = replace(TRAFFIC, eligible=eligible, latency=latency, hint=hint, cost_usd=costs)
    live = exploring(0.3, floor)
    best, chances = choose(traffic, live), probabilities(traffic, live)
    assert chances.sum(axis=1) == pytest.approx(np.ones(len(traffic)))
    assert not chances[~eligible].any()
    assert (probabilities(with_cost(traffic, live), live) == chances).all()
    explored = 0
    for line in range(len(traffic)):
        given = Hint("r", frozenset({"large"})) if hinted else None
        certain = served(traffic, line, hint=given, floor=floor, share=0.0)
        assert certain.candidates[0].model == MODELS[best[line]]
        drawn = served(traffic, line, hint=given, floor=floor)
        assert chances[line, MODELS.index(drawn.candidates[0].model)] == pytest.approx(drawn.propensity)
        explored += drawn.explored
    assert (explored > 0) is (floor == 0)


def test_weights_decide() -> None:
    def chosen(weights: Weights) -> np.ndarray:  # type: ignore[type-arg]
        return np.bincount(choose(TRAFFIC, policy(weights={Tier.PRO: weights})), minlength=3)

    cheap = chosen(Weights(quality=0, cost=1, latency=0, hint=0))
    good = chosen(Weights(quality=1, cost=0, latency=0, hint=0))
    assert cheap.tolist() == [300, 0, 0]
    assert good[2] > 250
    between = chosen(Weights(quality=0.7, cost=0.3, latency=0, hint=0))
    assert (between > 0).sum() >= 2


def test_single_models_and_random() -> None:
    eligible = np.ones_like(TRAFFIC.eligible)
    eligible[:10, 2] = False
    traffic = replace(TRAFFIC, eligible=eligible)
    large = always(traffic, 2)
    assert large[10:, 2].all()
    assert (large[:10].argmax(axis=1) == traffic.quality[:10, :2].argmax(axis=1)).all()
    assert random(traffic)[0].tolist() == [0.5, 0.5, 0]
    assert random(traffic)[10].tolist() == pytest.approx([1 / 3] * 3)
