"""RouteLLM's metrics on cases worked out by hand, and beside a plain reading of its published code."""

import numpy as np
import pytest

from train.bootstrap import intervals
from train.errors import DataError
from train.metrics import Array, measure
from train.pair import Pair

TEN = np.arange(10)
NAMES = ("apgr", "cpt20", "cpt50", "cpt80")


def figures(win: object, weak: object, strong: object) -> list[float]:
    found = measure(Pair(np.array(win), np.array(weak), np.array(strong)))
    assert tuple(found) == NAMES
    return list(found.values())


def data(queries: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """A win probability that is of some use, and scores."""
    rng = np.random.default_rng(seed)
    hard = rng.random(queries)
    weak, strong = rng.random(queries) > hard, rng.random(queries) > hard / 2
    return hard + rng.normal(0, 0.5, queries), weak.astype(np.float64), strong.astype(np.float64)


@pytest.mark.parametrize("win", [TEN, np.ones(10), -TEN])
def test_a_gap_that_is_the_same_everywhere(win: Array) -> None:
    assert figures(win, np.zeros(10), np.ones(10)) == pytest.approx([0.5, 20, 50, 80])


def test_the_right_half_first() -> None:
    """The strong model is needed for the five queries that it is sent first."""
    assert figures(TEN, TEN < 5, np.ones(10)) == pytest.approx([0.75, 10, 25, 40])


def test_the_right_half_last() -> None:
    assert figures(-TEN, TEN < 5, np.ones(10)) == pytest.approx([0.25, 60, 75, 90])


def test_a_curve_that_falls_on_its_way() -> None:
    """By rising share of strong calls: 0.3, 0.4, 0.5, 0.4, 0.3, 0.2, 0.3, ..., 0.7; what is reached first counts."""
    weak, strong = [0, 0, 0, 0, 0, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0, 1, 1]
    share, score = Pair(TEN, weak, strong).curve()
    assert share == pytest.approx([i / 10 for i in range(11)])
    assert score == pytest.approx([0.3, 0.4, 0.5, 0.4, 0.3, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    area = sum(score[1:-1] / 10) + (score[0] + score[-1]) / 20
    assert figures(TEN, weak, strong) == pytest.approx([(area - 0.3) / 0.4, 8, 20, 92])


def published(win: Array, weak: Array, strong: Array) -> list[float]:
    """routellm/evals/benchmarks.py and evaluate.py, in short. For distinct quantiles and a rising curve."""
    share, score = [], []
    thresholds = np.quantile(win, np.linspace(0, 1, 11))
    for i, threshold in enumerate(thresholds):
        selection = win >= threshold if i != 10 else win > threshold
        share.append(100 * float(np.mean(selection)))
        score.append(float(np.mean(np.where(selection, strong, weak))))
    share, score = share[::-1], score[::-1]
    low, high = float(weak.mean()), float(strong.mean())
    area = np.trapezoid(score, np.array(share) / 100)
    assert score == sorted(score)
    return [(area - low) / (high - low), *(np.interp(t * (high - low) + low, score, share) for t in (0.2, 0.5, 0.8))]


@pytest.mark.parametrize("seed", range(5))
def test_as_published(seed: int) -> None:
    win, weak, strong = data(3007, seed)
    assert figures(win, weak, strong) == pytest.approx(published(win, weak, strong))


def test_a_score_that_knows_nothing_recovers_half() -> None:
    _, weak, strong = data(20_000)
    found = figures(np.random.default_rng(1).random(20_000), weak, strong)
    assert found == pytest.approx([0.5, 20, 50, 80], abs=3, rel=0.03)


def test_the_oracle_is_never_beaten() -> None:
    win, weak, strong = data(2000)
    best = figures(strong - weak, weak, strong)
    for other in (win, -win, strong, -weak, np.ones(2000)):
        found = figures(other, weak, strong)
        assert best[0] >= found[0]
        assert all(mine <= theirs for mine, theirs in zip(best[1:], found[1:], strict=True))


def test_only_the_order_of_the_win_probabilities_counts_and_not_that_of_the_queries() -> None:
    win, weak, strong = data(501)
    found = figures(win, weak, strong)
    assert figures(np.exp(3 * win) - 7, weak, strong) == found
    shuffled = np.random.default_rng(0).permutation(501)
    assert figures(win[shuffled], weak[shuffled], strong[shuffled]) == pytest.approx(found)
    assert figures(win, weak / 2 + 0.1, strong / 2 + 0.1) == pytest.approx(found)


def test_intervals_hold_the_figure_and_survive_draws_without_a_gap() -> None:
    found = intervals(Pair(*data(800)))
    assert all(one.low < one.value < one.high for one in found.values())
    rare = intervals(Pair(TEN, np.zeros(10), TEN == 9))  # a third of the draws miss the only query with a gap
    assert rare["apgr"].value == pytest.approx(0.95)
    assert np.isnan(rare["apgr"].low)


@pytest.mark.parametrize(
    ("win", "weak", "strong", "message"),
    [
        ([0.5, 0.5], [1, 1], [0, 1], "no gap to close; exchange them"),
        ([0.5, 0.5], [1, 1], [1, 1], "no gap to close"),
        ([0.5, np.nan], [0, 0], [1, 1], "win probabilities: 1 of 2 are NaN"),
        ([0.5, 0.5], [0, np.nan], [1, 1], "scores of the weak model: 1 of 2 are NaN"),
        ([0.5, 0.5], [0, 0], [1, np.inf], "scores of the strong model: from 1 to inf"),
        ([0.5], [0, 0], [1, 1], "win probabilities: the shape is 1, not 2"),
        ([0.5, 0.5], [0, 0], [1], "scores of the strong model: the shape is 1, not 2"),
        ([], [], [], "scores of the weak model: there are none"),
        ([[0.5]], [[0]], [[1]], "the shape is 1 x 1, not any"),
    ],
)
def test_bad_input(win: object, weak: object, strong: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        figures(win, weak, strong)
