import numpy as np
import pytest

from train.baselines import Inputs, Neighbours, Ridge, oracle, query_length, random_predictions
from train.errors import DataError
from train.metrics import Array

UNKNOWN = np.nan
RNG = np.random.default_rng(0)
VECTORS = (RNG.normal(size=(300, 16)) / 4).astype(np.float32)
SCORES: Array = VECTORS[:, :3] * 2 + 0.5


def test_choices_without_learning() -> None:
    assert query_length(["", "abc", "日本"]).tolist() == [0, 3, 2]
    guessed = random_predictions(1000, 3)
    assert guessed.shape == (1000, 3)
    assert (random_predictions(1000, 3) == guessed).all()
    assert (np.bincount(guessed.argmax(axis=1)) > 280).all()
    with pytest.raises(DataError, match="scores: 1 of 2 are NaN"):
        oracle([[1, UNKNOWN]])


def test_inputs_are_scaled_by_the_training_rows() -> None:
    text = np.float32([[1, 7], [3, 7]])
    vectors = np.float32([[1, 0], [0, 1]])
    assert Inputs.fit(text)(vectors, text).tolist() == [[5, 0, -0.5, 0], [0, 5, 0.5, 0]]


def test_neighbours_by_hand() -> None:
    vectors = np.float32([[1, 0], [0.8, 0.6], [0, 1]])
    learnt = Neighbours.fit(vectors, [[1, 0.5], [0, UNKNOWN], [0, UNKNOWN]], k=2)
    found = learnt.predict(np.float32([[1, 0], [0, 1]]))
    assert found.tolist() == [[0.5, 0.5], [0, 0.5]]  # the second model: of one neighbour, and its mean over all
    assert Neighbours.fit(vectors, [[1], [0], [0]]).predict(vectors[:1]).tolist() == [[pytest.approx(1 / 3)]]
    assert learnt.predict(vectors[:0]).shape == (0, 2)


def test_neighbours_in_several_batches() -> None:
    learnt = Neighbours.fit(VECTORS, SCORES, k=7)
    many = np.tile(VECTORS, (5, 1))
    assert learnt.predict(many) == pytest.approx(np.tile(learnt.predict(VECTORS), (5, 1)))


def test_a_ridge_finds_a_linear_rule() -> None:
    learnt = Ridge.fit(VECTORS.astype(np.float64), SCORES, alpha=1e-6)
    assert learnt.predict(VECTORS) == pytest.approx(SCORES, abs=1e-4)
    assert Ridge.fit(VECTORS, SCORES, alpha=1e12).predict(VECTORS) == pytest.approx(
        np.tile(SCORES.mean(axis=0), (300, 1)), abs=1e-4
    )


def test_a_ridge_in_one_dimension_by_hand() -> None:
    """Centred, x is -1, 0, 1 and y -0.5, 0, 0.5: the weight is 1 / (2 + alpha), the intercept does not shrink."""
    learnt = Ridge.fit(np.array([[1.0], [2.0], [3.0]]), [[0], [0.5], [1]], alpha=2.0)
    assert (learnt.weights.tolist(), learnt.intercept.tolist()) == ([[0.25]], [0.0])


def test_a_model_learns_from_its_own_rows() -> None:
    scores = SCORES.copy()
    scores[100:, 1] = UNKNOWN
    learnt = Ridge.fit(VECTORS, scores)
    assert learnt.weights[:, 1] == pytest.approx(Ridge.fit(VECTORS[:100], SCORES[:100]).weights[:, 1])
    assert learnt.weights[:, 2] == pytest.approx(Ridge.fit(VECTORS, SCORES).weights[:, 2])


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[1, UNKNOWN]] * 300, r"no outcome of the models in columns \[1\]"),
        ([[1]] * 299, "does not fit 300 rows"),
        ([1] * 300, "does not fit 300 rows"),
    ],
)
def test_bad_input(scores: object, message: str) -> None:
    for learner in (Neighbours, Ridge):
        with pytest.raises(DataError, match=message):
            learner.fit(VECTORS, np.array(scores))
