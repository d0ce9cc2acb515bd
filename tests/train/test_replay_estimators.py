"""Estimates from logs against the truth, which a simulation knows."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.train.replayed import Array, full, logged
from train.bootstrap import intervals
from train.metrics import measure
from train.replayed.estimators import Estimator, Overlap, coverage, estimated
from train.replayed.exact import exact
from train.replayed.policies import certain
from train.replayed.traffic import Full, Logged, Traffic
from train.replayed.value import Change

REPEATS, QUERIES = 60, 500


def target(traffic: Traffic) -> Array:
    """The model with the best quality for its price."""
    return certain(traffic, (traffic.quality - 15 * traffic.cost_usd).argmax(axis=1))


def logging(traffic: Traffic) -> Array:
    """Mostly the cheapest, the more so the harder the query: what was logged is no fair sample."""
    small = 0.5 + 0.3 * (1 - traffic.quality[:, :1])
    return np.hstack([small, (1 - small) * 0.6, (1 - small) * 0.4])


@cache
def truth() -> dict[str, float]:
    traffic = full(200_000, seed=1)
    assert isinstance(traffic.outcomes, Full)
    return measure(exact(traffic.outcomes, target(traffic)))


@pytest.fixture(scope="module")
def repeated() -> dict[Estimator, Array]:
    """Estimates of quality and cost with the bounds of their intervals: (repeats, quality and cost, 3)."""
    found: dict[Estimator, list[list[tuple[float, float, float]]]] = {one: [] for one in Estimator}
    for seed in range(REPEATS):
        traffic = full(QUERIES, seed=100 + seed)
        seen = logged(traffic, logging(traffic), seed)
        for one in Estimator:
            figures = intervals(estimated(seen, target(seen), one), draws=200)
            shown = [figures[name] for name in ("quality", "cost_usd")]
            found[one].append([(each.value, each.low, each.high) for each in shown])
    return {one: np.array(values) for one, values in found.items()}


@pytest.mark.parametrize("estimator", Estimator)
def test_estimates_are_unbiased_and_intervals_hold_the_truth(
    estimator: Estimator, repeated: dict[Estimator, Array]
) -> None:
    for at, name in enumerate(("quality", "cost_usd")):
        values, low, high = repeated[estimator][:, at].T
        error = values.std(ddof=1) / np.sqrt(REPEATS)
        assert abs(values.mean() - truth()[name]) < 4 * error
        assert ((low <= truth()[name]) & (truth()[name] <= high)).mean() > 0.85


def test_a_model_of_the_reward_makes_estimates_steadier(repeated: dict[Estimator, Array]) -> None:
    spread = {one: values[:, 0, 0].std() for one, values in repeated.items()}
    assert spread[Estimator.DOUBLY_ROBUST] < spread[Estimator.SNIPS] < 0.8 * spread[Estimator.IPS]


def test_doubly_robust_needs_only_one_of_both() -> None:
    traffic = full(40_000, seed=5)
    seen = logged(traffic, logging(traffic))
    wrong_model = replace(seen, quality=np.full_like(seen.quality, 0.9))
    by_weights = measure(estimated(wrong_model, target(traffic), Estimator.DOUBLY_ROBUST))["quality"]
    assert by_weights == pytest.approx(truth()["quality"], abs=0.03)


def test_without_propensities_estimates_are_wrong() -> None:
    traffic = full(20_000, seed=6)
    seen = logged(traffic, logging(traffic))
    assert isinstance(seen.outcomes, Logged)
    ignored = replace(seen, outcomes=replace(seen.outcomes, propensity=np.full(len(seen), 1 / 3)))
    for one, least in ((Estimator.IPS, 0.1), (Estimator.SNIPS, 0.02)):
        assert abs(measure(estimated(ignored, target(traffic), one))["quality"] - truth()["quality"]) > least


def test_unrated_decisions_count_for_cost_alone() -> None:
    traffic = full(4_000, seed=7)
    seen = logged(traffic, logging(traffic))
    assert isinstance(seen.outcomes, Logged)
    reward = np.where(np.arange(len(seen)) % 2, seen.outcomes.reward, np.nan)
    half = replace(seen, outcomes=replace(seen.outcomes, reward=reward))
    for one in Estimator:
        some, every = (measure(estimated(given, target(traffic), one)) for given in (half, seen))
        assert some["cost_usd"] == every["cost_usd"]
        assert (
            some["quality"]
            == measure(estimated(seen[np.arange(len(seen)) % 2 == 1], target(traffic)[1::2], one))["quality"]
        )
        assert np.isnan(some["latency_ms"])


def test_the_policy_that_was_logged_is_worth_what_was_seen() -> None:
    traffic = full(1_000, seed=8)
    seen = logged(traffic, logging(traffic))
    assert isinstance(seen.outcomes, Logged)
    figures = measure(estimated(seen, logging(traffic), Estimator.IPS))
    assert figures["quality"] == pytest.approx(seen.outcomes.reward.mean())
    same = Change(*[estimated(seen, logging(traffic), Estimator.SNIPS)] * 2)
    assert measure(same) == pytest.approx(
        {"quality": 0, "cost_usd": 0, "latency_ms": np.nan, "quality_kept": 1, "cost_saved": 0}, nan_ok=True
    )


def test_overlap_says_when_logs_say_nothing() -> None:
    traffic = full(400, seed=9)
    always_small, always_large = certain(traffic, 0), certain(traffic, 2)
    nothing = Overlap.of(coverage(logged(traffic, always_small), always_large))
    assert (nothing.effective, nothing.agreement, nothing.unsupported, nothing.weight) == (0, 0, 1, 0)
    assert [text.split(":")[0] for text in nothing.warnings] == [
        "only 0 effective rated decisions of 400",
        "100% of its choices could not have been logged, as another was certain",
        "the mean weight is 0.00 where it should be 1",
    ]
    everything = Overlap.of(coverage(logged(traffic, always_small), always_small))
    assert (everything.effective, everything.agreement, everything.warnings) == (400, 1, ())
    rare = 0.98 * always_small + 0.02 * always_large
    few = Overlap.of(coverage(logged(traffic, rare), always_large))
    assert few.effective == round(few.effective) < 30
    assert few.unsupported == 0
    assert "effective rated decisions" in few.warnings[0]
