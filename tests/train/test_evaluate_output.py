"""Classes worked out by hand, and what is shown: tables, JSON, the picture."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from app.classifier.artifact import read_manifest
from app.domain import Complexity, Domain
from tests.fakes.artifact import make_artifact
from tests.train.evaluated import SUCCESS, four
from train.bootstrap import Interval
from train.evaluation.classes import label_lines, told
from train.evaluation.contenders import contenders
from train.evaluation.document import document
from train.evaluation.plot import draw
from train.evaluation.routing import RoutingFigures, measured
from train.evaluation.sets import File, routing_sets
from train.evaluation.tables import cell, label_table, routing_table
from train.rows import ModelOutcome, Row

LEVELS = (Complexity.SIMPLE, Complexity.SIMPLE, Complexity.COMPLEX, None)
LABELLED = File("labelled", tuple(Row(str(i), "test", str(i), Domain.MATH, level) for i, level in enumerate(LEVELS)))
TOLD = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])  # simple, medium, complex


def found(costs: bool = True) -> RoutingFigures:
    routing = four() if costs else four(None)
    return measured(routing, SUCCESS, contenders(routing, SUCCESS, None))


def three(cost: float | None) -> RoutingFigures:
    outcomes = {model: ModelOutcome(0.5 + at / 10, cost and cost * (1 + at)) for at, model in enumerate("abc")}
    rows = tuple(Row(str(at), "test", str(at), outcomes=outcomes) for at in range(4))
    (routing,) = routing_sets([File("three", rows)], list("abc"))
    success = np.full((4, 3), 0.5)
    return measured(routing, success, contenders(routing, success, None))


def test_classes_by_hand() -> None:
    lines = label_lines(LABELLED, "complexity")
    assert lines == [0, 1, 2]
    of = told(LABELLED, "complexity", lines, TOLD)
    assert of.confusion.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert (of.counts, of.commonest) == ((2, 0, 1), pytest.approx(2 / 3))
    value = {name: interval.value for name, interval in of.figures.items()}
    assert value["accuracy"] == pytest.approx(2 / 3)
    assert value["macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)  # "medium" was told, so it counts
    assert (value["precision simple"], value["recall simple"]) == (1, 0.5)


def test_the_table_of_classes() -> None:
    table = label_table(told(LABELLED, "complexity", [0, 1, 2], TOLD)).splitlines()
    assert table[0] == "complexity of labelled: 3 queries"
    assert "accuracy 0.667 (" in table[1]
    assert table[-4].split()[-3:] == ["simple", "medium", "complex"]
    assert [line.split() for line in table[-3:]] == [
        ["simple", "1", "1", "0"],
        ["medium", "0", "0", "0"],
        ["complex", "0", "0", "1"],
    ]
    domains = told(LABELLED, "domain", [0], np.eye(len(Domain))[[1]])
    assert label_table(domains).splitlines()[-1].split() == ["math", "1"]


@pytest.mark.parametrize(
    ("interval", "digits", "text"),
    [
        (Interval(0.6524, 0.6311, 0.6735), 3, "0.652 (.631, .673)"),
        (Interval(-0.01, -0.5, 1.25), 2, "-0.01 (-.50, 1.25)"),
        (Interval(29.04, 25.13, math.nan), 1, "29.0 (25.1, none)"),
        (Interval(math.nan, math.nan, math.nan), 3, "-"),
        (None, 3, "-"),
    ],
)
def test_a_cell(interval: Interval | None, digits: int, text: str) -> None:
    assert cell(interval, digits) == text


def test_the_tables_of_a_set() -> None:
    table = routing_table(found())
    assert table.splitlines()[0] == "four: 4 queries answered by 2 models"
    assert "weak: small; strong: large" in table
    for title in ("APGR", "AIQ", "CPT 50 %", "at 25 % of the cost", "saved at 100 %", "ECE", "more than best single"):
        assert title in table
    assert "classifier                  0.750 (" in table
    assert "AIQ  " not in routing_table(found(costs=False))


def test_everything_is_in_the_document(tmp_path: Path) -> None:
    manifest = read_manifest(make_artifact(tmp_path / "artefact", {"large": 0.6, "small": 0.4}, version="v1"))
    labels = told(LABELLED, "complexity", [0, 1, 2], TOLD)
    routing = [found(), found(costs=False)]
    content = json.loads(json.dumps(document(manifest, [LABELLED], routing, [labels]), allow_nan=False))
    assert content["classifier"] == {"version": "v1", "models": ["large", "small"]}
    priced, unpriced = content["routing"]
    assert priced["pair"] == {"weak": "small", "strong": "large"}
    own = priced["contenders"]["classifier"]
    assert own["figures"]["aiq"]["value"] == pytest.approx(0.625)
    assert own["by_cost_usd"] == {"x": [pytest.approx(1), pytest.approx(2)], "quality": [0.25, 0.75]}
    assert len(own["by_share_of_strong_calls"]["x"]) == 11
    assert priced["contenders"]["best single"]["classifier_minus"]["quality"]["value"] == 0
    assert unpriced["contenders"]["classifier"]["by_cost_usd"] is None
    assert content["labels"][0]["confusion"] == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert content["labels"][0]["figures"]["precision medium"]["value"] == 0
    assert content["labels"][0]["figures"]["recall medium"]["value"] is None


@pytest.mark.parametrize("name", ["curves.png", "curves.svg"])
def test_the_picture_has_a_panel_a_set(tmp_path: Path, name: str) -> None:
    """A pair, costs of more models and no costs at all draw differently."""
    draw([found()], tmp_path / name)
    one = (tmp_path / name).stat().st_size
    draw([found(), three(cost=None), three(cost=0.1)], tmp_path / name)
    assert (tmp_path / name).stat().st_size > one > 5000
