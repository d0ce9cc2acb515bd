"""Policies over several models: the hull, and what is read off it, worked out by hand."""

from itertools import pairwise

import numpy as np
import pytest

from train.bootstrap import differences, intervals
from train.curves import Policies, best_single, hull, singles, sweep
from train.errors import DataError
from train.metrics import Array, Chosen, measure

SCORES = np.array([[1.0, 1.0], [0.0, 1.0]])
COSTS = np.array([[1.0, 3.0], [1.0, 3.0]])
UNKNOWN = float("nan")


def data(queries: int = 400, models: int = 4, seed: int = 0) -> tuple[Array, Array, Array]:
    """Scores, costs, and predictions of some use. Dearer models are better, each has a domain of its own; costs differ
    a thousandfold.
    """
    rng = np.random.default_rng(seed)
    own = rng.integers(models, size=(queries, 1)) == np.arange(models)
    success = np.linspace(0.2, 0.6, models) + 0.35 * own
    scores = (rng.random((queries, models)) < success).astype(np.float64)
    costs = np.geomspace(1e-5, 1e-2, models) * rng.lognormal(0, 0.5, (queries, models))
    return scores, costs, success + rng.normal(0, 0.05, success.shape)


def test_the_hull_by_hand() -> None:
    cost, quality = hull([2, 0, 1, 1, 3], [1.5, 0, 0.5, 1, 1.2])
    assert (cost.tolist(), quality.tolist()) == ([0, 1, 2], [0, 1, 1.5])
    cost, quality = hull([1, 0, 2], [0.2, 0, 1])  # under the line of the others
    assert (cost.tolist(), quality.tolist()) == ([0, 2], [0, 1])
    cost, quality = hull([1, 1, 1], [0.2, 0.7, 0.7])
    assert (cost.tolist(), quality.tolist()) == ([1], [0.7])


def test_the_hull_is_above_all_points_concave_and_rising() -> None:
    points = np.random.default_rng(0).random((200, 2))
    cost, quality = hull(*points.T)
    assert (points[:, 1] <= np.interp(points[:, 0], cost, quality, left=np.inf) + 1e-12)[points[:, 0] >= cost[0]].all()
    slopes = np.diff(quality) / np.diff(cost)
    assert (slopes > 0).all()
    assert all(a > b for a, b in pairwise(slopes))


def test_the_zero_router_by_hand() -> None:
    """From (1 USD, 0.5) to (3 USD, 1)."""
    found = measure(Policies(singles(2, 2), SCORES, COSTS))
    assert found == pytest.approx(
        {
            "aiq": 0.75,
            "quality_at_25": UNKNOWN,
            "quality_at_50": 0.625,
            "quality_at_75": 0.8125,
            "saved_at_95": 1 - 2.8 / 3,
            "saved_at_100": 0.0,
        },
        nan_ok=True,
    )


def test_the_oracle_by_hand() -> None:
    """It adds (2 USD, 1): the first query to the cheap model, the second to the dear one."""
    policies = sweep(SCORES, COSTS)
    assert policies.tolist() == [[0, 1], [0, 0]]
    curve = Policies(policies, SCORES, COSTS)
    cost, quality = curve.curve()
    assert (cost.tolist(), quality.tolist()) == ([1, 2], [0.5, 1])
    found = measure(curve)
    assert (found["aiq"], found["quality_at_50"], found["saved_at_100"]) == pytest.approx((0.875, 0.75, 1 / 3))


def test_quality_that_is_not_reached_or_not_so_cheap() -> None:
    found = measure(Policies([[1, 0]], SCORES, COSTS))  # (2 USD, 0.5)
    assert found["aiq"] == pytest.approx(0.25)  # half of the span, at 0.5
    assert np.isnan([found["quality_at_50"], found["saved_at_95"], found["saved_at_100"]]).all()
    assert found["quality_at_75"] == 0.5


def test_a_sweep_goes_from_the_best_to_the_cheapest() -> None:
    scores, costs, predicted = data()
    mean = costs.mean(axis=0)
    policies = sweep(predicted, mean)
    assert (policies[0] == predicted.argmax(axis=1)).all()
    assert (policies[-1] == 0).all()
    paid = mean[policies].mean(axis=1)
    assert all(a >= b for a, b in pairwise(paid))
    assert len(policies) > 50
    assert (sweep(predicted, mean * 1000) == policies).all()
    assert sweep(np.zeros((3, 4)), mean[::-1]).tolist() == [[3, 3, 3]]  # of equals the cheapest
    assert len(sweep(scores, costs)) > 5


def test_free_models() -> None:
    assert sweep([[0.1, 0.2]], [0.0, 0.0])[0].tolist() == [1]
    found = measure(Policies(singles(2, 2), [[1, 0], [1, 1]], [[0, 1], [0, 1]]))
    assert found["aiq"] == 1
    assert np.isnan(found["saved_at_95"])  # the best model is free: nothing can be saved


@pytest.mark.parametrize("seed", range(3))
def test_the_oracle_is_never_beaten(seed: int) -> None:
    scores, costs, predicted = data(seed=seed)
    n, m = scores.shape
    best = measure(Policies(sweep(scores, costs), scores, costs))
    noise = np.random.default_rng(seed).random((n, m))
    for policies in (sweep(predicted, costs), sweep(predicted, costs.mean(axis=0)), sweep(noise, costs), singles(n, m)):
        found = {name: np.nan_to_num(value) for name, value in measure(Policies(policies, scores, costs)).items()}
        assert best["aiq"] >= found["aiq"]
        assert best["quality_at_50"] >= found["quality_at_50"]
        assert best["saved_at_95"] >= found["saved_at_95"]
    zero, learnt = (
        measure(Policies(one, scores, costs))["aiq"] for one in (singles(n, m), sweep(predicted, costs.mean(axis=0)))
    )
    assert zero < learnt < best["aiq"]


def test_units_and_orders_do_not_matter() -> None:
    scores, costs, predicted = data()
    found = measure(Policies(sweep(predicted, costs), scores, costs))
    assert measure(Policies(sweep(predicted, costs * 1000), scores, costs * 1000)) == pytest.approx(found, nan_ok=True)
    queries, models = np.random.default_rng(0).permutation(400), np.array([2, 0, 3, 1])
    moved = [one[queries][:, models] for one in (scores, costs, predicted)]
    assert measure(Policies(sweep(moved[2], moved[1]), moved[0], moved[1])) == pytest.approx(found, nan_ok=True)
    more = np.vstack([sweep(predicted, costs), singles(400, 4)])
    assert measure(Policies(more, scores, costs))["aiq"] >= found["aiq"]


def test_a_draw_is_the_figure_of_the_queries_drawn() -> None:
    scores, costs, predicted = data()
    policies = sweep(predicted, costs)
    drawn = np.random.default_rng(0).integers(400, size=400)
    whole = Policies(policies, scores, costs)
    part = Policies(policies[:, drawn], scores[drawn], costs[drawn])
    assert whole.figures(whole.table[drawn].mean(axis=0)) == pytest.approx(part.figures(part.table.mean(axis=0)))


def test_intervals_and_differences() -> None:
    scores, costs, predicted = data()
    learnt = Policies(sweep(predicted, costs.mean(axis=0)), scores, costs)
    zero = Policies(singles(400, 4), scores, costs)
    one, other = intervals(learnt)["aiq"], intervals(zero)["aiq"]
    gained = differences(learnt, zero)["aiq"]
    assert one.low < one.value < one.high
    assert 0 < gained.low < gained.value < gained.high
    assert gained.high - gained.low < np.hypot(
        one.high - one.low, other.high - other.low
    )  # what both share cancels out
    assert np.isnan(intervals(zero)["quality_at_25"].low) == np.isnan(measure(zero)["quality_at_25"])


def test_the_best_single_model() -> None:
    assert best_single([[0, 1, 1], [0, 1, 1]]) == 1
    assert best_single([[0, 1, 1], [0, 1, 1]], [[0, 2, 1], [0, 2, 1]]) == 2
    assert measure(Chosen(singles(2, 2)[best_single(SCORES)], SCORES)) == {"quality": 1.0}


@pytest.mark.parametrize(
    ("policies", "scores", "costs", "message"),
    [
        ([[0, 0]], SCORES[:, :1], COSTS[:, :1], "one model only"),
        ([[0, 0]], SCORES, np.ones((2, 2)), "all models cost the same"),
        ([[0, 0]], [[1, UNKNOWN], [0, 1]], COSTS, "scores: 1 of 4 are NaN; keep the rows where all are known"),
        ([[0, 0]], SCORES, [[1, 3], [UNKNOWN, UNKNOWN]], "costs: 2 of 4 are NaN"),
        ([[0, 0]], SCORES, COSTS[:1], "costs: the shape is 1 x 2, not 2 x 2"),
        ([[0, 0]], SCORES * 2, COSTS, "scores: from 0 to 2, outside 0 to 1"),
        ([[0, 0]], SCORES, -COSTS, "costs: from -3 to -1, outside 0 to inf"),
        ([[0]], SCORES, COSTS, "a policy: the shape is 1, not 2"),
        ([[0, 2]], SCORES, COSTS, "a policy: from 0 to 2, outside 0 to 1"),
        ([[0, 0.5]], SCORES, COSTS, "whole numbers"),
    ],
)
def test_bad_input(policies: object, scores: object, costs: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Policies(np.array(policies), np.array(scores), np.array(costs))


@pytest.mark.parametrize(
    ("predicted", "costs", "message"),
    [
        ([[0.5, UNKNOWN]], [1, 2], "predicted scores: 1 of 2 are NaN"),
        ([[0.5, 0.5]], [1], "costs: the shape is 1, not 2"),
        ([[0.5, 0.5]], [[1, 2], [1, 2]], "costs: the shape is 2 x 2, not 1 x 2"),
        ([0.5, 0.5], [1, 2], "predicted scores: the shape is 2, not any x any"),
        (np.empty((0, 2)), [1, 2], "predicted scores: there are none"),
    ],
)
def test_bad_input_to_a_sweep(predicted: object, costs: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sweep(np.array(predicted), np.array(costs))
