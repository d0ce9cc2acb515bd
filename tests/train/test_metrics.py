"""Choices, agreement, calibration, labels and the bootstrap, worked out by hand."""

import numpy as np
import pytest

from train.bootstrap import differences, intervals
from train.errors import DataError
from train.labels import Labels
from train.metrics import Agreement, Calibration, Chosen, Metric, measure

UNKNOWN = float("nan")


def test_the_quality_of_what_is_chosen() -> None:
    assert measure(Chosen([0, 1, 1], [[1, 0], [0, 0.5], [1, 0]])) == {"quality": 0.5}


def test_agreement() -> None:
    assert measure(Agreement([0, 1, 2, 2], [0, 1, 2, 0], 4)) == {"agreement": 0.75, "largest_share": 0.375}
    assert measure(Agreement([1, 1], [1, 1], 2)) == {"agreement": 1, "largest_share": 1}


def test_calibration_by_hand() -> None:
    """Two predictions of 0.1 share a bin: |0.2 - 1|; 0.9 has its own: |0.9 - 1|."""
    found = measure(Calibration([0.1, 0.1, 0.9], [0, 1, 1]))
    assert found == pytest.approx({"ece": 0.3, "brier": 0.83 / 3})
    assert measure(Calibration([[0.1, 0.1], [0.9, 0.5]], [[0, 1], [1, UNKNOWN]])) == pytest.approx(found)
    assert measure(Calibration([0.0, 1.0, 0.5], [0, 1, 0.5])) == {"ece": 0, "brier": 0}


def test_calibrated_predictions_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.random((20_000, 2))
    scores = rng.random((20_000, 2)) < predicted
    assert measure(Calibration(predicted, scores))["ece"] < 0.01
    assert measure(Calibration(predicted**3, scores))["ece"] > 0.2


def test_labels_by_hand() -> None:
    labels = Labels(["a", "a", "b", "c"], ["a", "b", "b", "b"], ["a", "b", "c", "d"])
    assert labels.confusion().tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    found = measure(labels)
    assert (found["accuracy"], found["macro_f1"]) == pytest.approx((0.5, (2 / 3 + 0.5) / 3))
    by_name = {name: [found[f"{name} {one}"] for one in "abcd"] for name in ("precision", "recall", "f1")}
    assert by_name["precision"] == pytest.approx([1, 1 / 3, UNKNOWN, UNKNOWN], nan_ok=True)
    assert by_name["recall"] == pytest.approx([0.5, 1, 0, UNKNOWN], nan_ok=True)
    assert by_name["f1"] == pytest.approx([2 / 3, 0.5, 0, UNKNOWN], nan_ok=True)


RNG = np.random.default_rng(5)
CHOICE, OTHER = RNG.integers(3, size=(2, 60))
SCORES, PREDICTED = RNG.random((2, 60, 3))
NAMES = list("xyz")


@pytest.mark.parametrize(
    "metric",
    [
        lambda at: Chosen(CHOICE[at], SCORES[at]),
        lambda at: Agreement(CHOICE[at], OTHER[at], 3),
        lambda at: Calibration(PREDICTED[at], SCORES[at]),
        lambda at: Labels([NAMES[one] for one in CHOICE[at]], [NAMES[one] for one in OTHER[at]], NAMES),
    ],
)
def test_a_draw_is_the_figure_of_the_queries_drawn(metric: object) -> None:
    drawn = np.random.default_rng(1).integers(60, size=60)
    whole, part = metric(np.arange(60)), metric(drawn)  # type: ignore[operator]
    assert whole.figures(whole.table[drawn].mean(axis=0)) == pytest.approx(part.figures(part.table.mean(axis=0)))
    several = whole.figures(np.stack([whole.table[drawn].mean(axis=0)] * 4).reshape(2, 2, -1))
    assert several.shape == (2, 2, len(whole.names))


def share(right: np.ndarray) -> Metric:
    return Chosen(np.zeros(len(right), np.int64), right.astype(np.float64)[:, None])


def test_an_interval_is_as_wide_as_theory_says() -> None:
    right = np.arange(1000) % 4 == 0
    found = intervals(share(right), draws=4000)["quality"]
    error = 1.96 * (0.25 * 0.75 / 1000) ** 0.5
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25 - error, 0.25 + error), abs=0.002)
    assert str(found).startswith("0.250 (0.22")


def test_intervals_repeat_with_their_seed() -> None:
    right = np.random.default_rng(0).random(200) < 0.5
    assert intervals(share(right), seed=3) == intervals(share(right), seed=3)
    assert intervals(share(right), seed=3) != intervals(share(right), seed=4)


def test_differences_are_paired() -> None:
    right = np.arange(500) % 2 == 0
    better = right | (np.arange(500) % 50 == 1)  # ten more
    same, gained = (
        differences(share(right), share(right))["quality"],
        differences(share(better), share(right))["quality"],
    )
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert (gained.value, gained.low > 0, gained.high < 0.04) == (pytest.approx(0.02), True, True)


def test_one_query() -> None:
    found = intervals(share(np.array([True])))["quality"]
    assert (found.value, found.low, found.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Chosen([0, 1], [[1, 0]]), "choice: the shape is 2, not 1"),
        (lambda: Chosen([2], [[1, 0]]), "choice: from 2 to 2, outside 0 to 1"),
        (lambda: Chosen([0], [[UNKNOWN, 0]]), "scores: 1 of 2 are NaN"),
        (lambda: Agreement([0, 1], [0], 2), "choice for paraphrases: the shape is 1, not 2"),
        (lambda: Agreement([], [], 2), "choice: there are none"),
        (lambda: Calibration([0.5], [[0.5]]), "predicted probabilities: the shape is 1, not 1 x 1"),
        (lambda: Calibration([1.5], [1]), "predicted probabilities: from 1.5 to 1.5, outside 0 to 1"),
        (lambda: Calibration([UNKNOWN], [1]), "predicted probabilities: 1 of 1 are NaN"),
        (lambda: Calibration([0.5], [2]), "scores: from 2 to 2, outside 0 to 1"),
        (lambda: Calibration([0.5], [UNKNOWN]), "no score is known"),
        (lambda: Labels(["a"], ["a", "b"], ["a", "b"]), "1 labels and 2 predictions"),
        (lambda: Labels([], [], ["a"]), "0 labels and 0 predictions"),
        (lambda: Labels(["a"], ["z"], ["a", "b"]), "z: not a class; the classes are a, b"),
        (lambda: differences(share(np.ones(3)), share(np.ones(4))), "3 queries with quality cannot be compared with 4"),
    ],
)
def test_bad_input(make: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()  # type: ignore[operator]
