"""Scores and orders on arrays: what replays is what serves."""

import numpy as np
import pytest

from app.routing import choice
from app.routing.weights import Weights

NAN = np.nan
WEIGHTS = Weights(quality=0.5, cost=0.25, latency=0.25, hint=0)


def test_lower_is_better_over_the_known_values_of_a_line() -> None:
    found = choice.lower_is_better(np.array([[1.0, 3.0, 2.0], [5.0, NAN, 5.0], [NAN, NAN, NAN]]))
    assert found == pytest.approx(np.array([[1, 0, 0.5], [1, NAN, 1], [NAN, NAN, NAN]]), nan_ok=True)


def test_cheapness_is_in_units_of_the_scale() -> None:
    found = choice.cheapness(np.array([[1.0, 3.0, NAN], [10.0, 30.0, 20.0]]), 2.0)
    assert found == pytest.approx(np.array([[1, 0, NAN], [1, -9, -4]]), nan_ok=True)
    assert choice.cheapness(np.array([2.0, 2.0]), 0.0) == pytest.approx([1, 1])
    assert choice.cheapness(np.array([2.0, 4.0]), 0.0) == pytest.approx([1, 0])  # no scale: their own spread


def test_the_score_weighs_factors_and_takes_unknown_ones_as_neutral() -> None:
    factors = {"quality": np.array([0.8, 0.4]), "cost": np.array([0.2, 1.0]), "latency": np.array([NAN, 1.0])}
    assert choice.score(factors, WEIGHTS) == pytest.approx([0.4 + 0.05 + 0.125, 0.2 + 0.25 + 0.25])


@pytest.mark.parametrize(
    ("floor", "expected"),
    [
        (0.0, [1, 0, 2, 3]),
        (0.6, [2, 1, 3, 0]),  # of those that reach it, the cheapest first, an unknown cost last
        (0.95, [3, 2, 1, 0]),  # nobody does: by quality
    ],
)
def test_order(floor: float, expected: list[int]) -> None:
    score, quality = np.array([[0.5, 0.7, 0.4, 0.1]]), np.array([[0.5, 0.7, 0.8, 0.9]])
    cost = np.array([[1.0, 3.0, 2.0, NAN]])
    assert choice.order(score, quality, cost, floor).tolist() == [expected]


def test_what_is_no_candidate_comes_last_whatever_it_costs() -> None:
    score, quality = np.array([[-np.inf, 0.2, 0.1]]), np.array([[1.0, 0.5, 0.6]])
    assert choice.order(score, quality, np.array([[0.0, 2.0, 1.0]]), 0.0).tolist() == [[1, 2, 0]]
    assert choice.order(score, quality, np.array([[0.0, 2.0, 1.0]]), np.array([[0.5]])).tolist() == [[2, 1, 0]]
