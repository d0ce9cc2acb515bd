import numpy as np

from app.domain import Complexity, Domain
from train.rows import ModelOutcome, Row
from train.targets import Kind, targets


def row(id_: str, **known: object) -> Row:
    return Row(id_, "s", f"query {id_}", **known)  # type: ignore[arg-type]


ROWS = [
    row("a", outcomes={"x": ModelOutcome(1.0), "y": ModelOutcome(0.5)}, domain=Domain.MATH),
    row("b", outcomes={"x": ModelOutcome(0.0), "z": ModelOutcome(1.0), "y": ModelOutcome(0.0)}),
    row("c", complexity=Complexity.COMPLEX, weight=3.0),
    row("d", outcomes={"z": ModelOutcome(1.0)}, complexity=Complexity.SIMPLE),
]


def test_each_output_has_its_columns() -> None:
    found = targets(ROWS, ["x", "y", "z"])
    assert found.spans == {
        "complexity": (0, 3),
        "scale": (3, 4),
        "difficulty": (4, 5),
        "domain": (5, 14),
        "success": (14, 17),
        "support": (17, 20),
    }
    unknown = np.nan
    assert np.array_equal(
        found.values[:, 14:17],
        np.float32([[1, 0.5, unknown], [0, 0, 1], [unknown] * 3, [unknown, unknown, 1]]),
        equal_nan=True,
    )
    assert found.values[:, 17:].tolist() == [[1, 1, 0], [1, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert found.values[0, 5:14].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert np.isnan(found.values[1, 5:14]).all()
    assert found.values[2, :3].tolist() == [0, 0, 1]
    assert found.weights.tolist() == [1, 1, 3, 1]


def test_difficulty_is_the_share_that_failed_and_else_that_of_the_label() -> None:
    difficulty = targets(ROWS, ["x", "y", "z"]).values[:, 4]
    assert difficulty.tolist() == np.float32([0.25, 2 / 3, 0.85, 0.15]).tolist()


def test_models_with_outcomes_on_the_same_rows_share_a_penalty() -> None:
    heads = targets(ROWS, ["x", "y", "z"]).heads
    assert [(head.name, head.columns) for head in heads if head.name == "success"] == [
        ("success", (14, 15)),
        ("success", (16,)),
    ]
    assert {head.name: head.kind for head in heads}["domain"] is Kind.ONE_OF


def test_labels_alone_make_targets_without_models() -> None:
    found = targets(ROWS[2:3], [])
    assert found.spans["success"] == found.spans["support"] == (14, 14)
    assert [head.name for head in found.heads] == ["complexity", "scale", "difficulty", "domain"]


def test_each_source_of_labels_has_a_scale_of_its_own() -> None:
    rows = [row(str(i), complexity=Complexity.MEDIUM, scale="chess" if i < 50 else "chat") for i in range(60)]
    found = targets([*rows, row("none", domain=Domain.MATH)], [])
    assert found.scales == ("chess", "other")
    assert found.spans["complexity"] == (0, 6)
    assert np.array_equal(found.values[0, :6], np.float32([0, 1, 0, np.nan, np.nan, np.nan]), equal_nan=True)
    assert np.array_equal(found.values[55, :6], np.float32([np.nan, np.nan, np.nan, 0, 1, 0]), equal_nan=True)
    assert found.values[[0, 55], 6:8].tolist() == [[1, 0], [0, 1]]
    assert np.isnan(found.values[60, :8]).all()
