"""What is learnt of each row, and what is measured on which rows."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain import Complexity, Domain
from tests.train.evaluated import MODELS, file
from tests.train.features import read_features
from train.compared.examples import Examples
from train.compared.figures import Measures
from train.errors import DataError
from train.evaluation.sets import File, routing_sets
from train.rows import ModelOutcome, Row
from train.targets import SCALE_ROWS

LEVELS = (Complexity.SIMPLE, Complexity.COMPLEX, Complexity.COMPLEX)
LABELLED = File("levels", tuple(Row(str(i), "test", f"level {i}", Domain.MATH, one) for i, one in enumerate(LEVELS)))
RIGHT = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8]], np.float32)


@pytest.fixture(autouse=True)
def _no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.compared.examples.read_features", read_features)


def test_complexity_and_success_are_learnt_and_nothing_else() -> None:
    examples = Examples.read([LABELLED, file()], MODELS)
    assert len(examples) == 7
    assert examples.targets.spans == {"complexity": (0, 3), "scale": (3, 4), "success": (4, 6)}
    assert [(head.name, head.columns) for head in examples.targets.heads] == [
        ("complexity", (0, 1, 2)),
        ("scale", (3,)),
        ("success", (4, 5)),
    ]
    assert examples.targets.values[0, :3].tolist() == [1, 0, 0]
    assert np.isnan(examples.targets.values[0, 4:]).all()
    assert examples.targets.values[3:, 4:].tolist() == [[1, 1], [1, 0], [1, 0], [0, 0]]


def test_what_no_row_has_is_not_learnt() -> None:
    assert Examples.read([file()], MODELS).targets.spans == {"success": (0, 2)}
    assert Examples.read([LABELLED], ()).targets.spans == {"complexity": (0, 3), "scale": (3, 4)}
    domains = File("domains", tuple(replace(row, complexity=None) for row in LABELLED.rows))
    with pytest.raises(DataError, match="neither a complexity nor outcomes"):
        Examples.read([domains], ())


def test_levels_are_mixed_by_whose_scale_a_query_is_on() -> None:
    """Two scales: simple on the first, complex on the second; the query is on the second by 0.75."""
    two = [
        Row(f"{scale} {at}", "test", f"{scale} {at}", complexity=Complexity.SIMPLE, scale=scale)
        for scale in "ab"
        for at in range(SCALE_ROWS)
    ]
    examples = Examples.read([File("two", tuple(two))], ())
    assert examples.targets.spans == {"complexity": (0, 6), "scale": (6, 8)}
    found = examples.levels(np.float32([[1, 0, 0, 0, 0, 1, 0.25, 0.75]]))
    assert found.tolist() == [[0.25, 0, 0.75]]


def test_some_of_the_examples() -> None:
    examples = Examples.read([LABELLED, file()], MODELS)
    some = examples[np.array([4, 0])]
    assert some.texts == ["bb", "level 0"]
    assert some.features.vectors.tolist() == examples.features.vectors[[4, 0]].tolist()
    assert some.targets.values[0, 4:].tolist() == [1, 0]
    assert some.targets.heads == examples.targets.heads


def test_the_figures_that_fit() -> None:
    """Of two models with costs there are APGR and AIQ; what the labels are measured on is what is held back."""
    examples = Examples.read([LABELLED, file()], MODELS)
    measures = Measures((LABELLED,), routing_sets([file()], MODELS), MODELS)
    predicted = np.full((7, 6), np.nan, np.float32)
    predicted[:3, :4] = np.hstack([RIGHT, np.ones((3, 1))])
    predicted[3:, 4:] = [[0.8, 0.9], [0.9, 0.2], [0.7, 0.3], [0.2, 0.1]]
    figures = measures.figures(examples, predicted, np.ones(7, np.bool_))
    assert figures.keys() == {"levels: accuracy", "four: APGR", "four: AIQ"}
    assert figures["levels: accuracy"].value == 1
    assert figures["four: AIQ"].value == pytest.approx(0.625)  # as in test_evaluate_routing.py
    predicted[1, :3] = RIGHT[0]
    held = np.array([True, True, False, False, False, False, False])
    assert measures.figures(examples, predicted, held)["levels: accuracy"].value == 0.5
    assert measures.figures(examples, predicted, held).keys() == {"levels: accuracy"}


def test_without_costs_the_choice_is_measured() -> None:
    outcomes = {model: ModelOutcome(score) for model, score in (("a", 0.25), ("b", 0.5), ("c", 0.75))}
    three = File("three", tuple(Row(str(i), "test", f"query {i}", outcomes=outcomes) for i in range(4)))
    examples = Examples.read([three], list("abc"))
    measures = Measures((), routing_sets([three], list("abc")), ("a", "b", "c"))
    predicted = np.tile(np.float32([0.1, 0.9, 0.5]), (4, 1))
    (name, figure), *others = measures.figures(examples, predicted, np.ones(4, np.bool_)).items()
    assert (name, figure.value, others) == ("three: quality of the choice", 0.5, [])


def test_rows_on_which_the_strong_model_is_not_better_have_no_pair() -> None:
    examples = Examples.read([file()], MODELS)
    measures = Measures((), routing_sets([file()], MODELS), MODELS)
    held = np.array([True, False, False, True])  # both models score 1 and 0
    figures = measures.figures(examples, np.full((4, 2), 0.5, np.float32), held)
    assert figures.keys() == {"four: AIQ"}
