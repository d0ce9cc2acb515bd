import numpy as np
import pytest

from train.errors import DataError
from train.pool import complete, costs, pool, scores
from train.rows import ModelOutcome, Row

ROWS = [
    Row("1", "s", "one", outcomes={"a": ModelOutcome(1, 0.5), "b": ModelOutcome(0)}),
    Row("2", "s", "two", outcomes={"b": ModelOutcome(0.25, 2), "rare": ModelOutcome(1)}),
    Row("3", "s", "three", outcomes={"b": ModelOutcome(0.5, 0), "a": ModelOutcome(0.75)}),
    Row("4", "s", "four"),
]


def test_models_with_enough_outcomes() -> None:
    assert pool(ROWS, 2) == ["a", "b"]
    assert pool(ROWS, 1) == ["a", "b", "rare"]
    assert complete(ROWS, ["a", "b"]) == [ROWS[0], ROWS[2]]


@pytest.mark.parametrize(("rows", "why"), [(ROWS, "b has 3, a has 2, rare has 1"), ([], "there is none at all")])
def test_no_model_with_enough(rows: list[Row], why: str) -> None:
    with pytest.raises(DataError, match=f"no model has 4 outcomes: {why}"):
        pool(rows, 4)


def test_matrices() -> None:
    unknown = np.nan
    known = scores(ROWS, ["b", "a", "never"])
    assert known.dtype == np.float32
    np.testing.assert_array_equal(
        known, np.float32([[0, 1, unknown], [0.25, unknown, unknown], [0.5, 0.75, unknown], [unknown] * 3])
    )
    np.testing.assert_array_equal(
        costs(ROWS, ["a", "b"]), np.float32([[0.5, unknown], [unknown, 2], [unknown, 0], [unknown, unknown]])
    )
    assert scores([], ["a"]).shape == (0, 1)
