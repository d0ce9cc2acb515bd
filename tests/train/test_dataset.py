"""Mixing sources: a row a question, what is known of it merged, and never on both sides of a split."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.domain import Complexity, Domain
from train.dataset import Source, load, mix
from train.errors import DataError
from train.rows import Faults, ModelOutcome, Row


def row(query: str, source: str = "s", **known: Any) -> Row:
    return Row(id=query, source=source, query=query, **{"domain": Domain.MATH, **known})


def scored(source: str, score: float, cost: float | None = None, tokens: int | None = None) -> Row:
    return row("Same?", source, outcomes={"a": ModelOutcome(score, cost, tokens, tokens)})


def test_what_is_known_of_a_question_is_merged() -> None:
    outcomes = {"a": ModelOutcome(0.5)}
    first = row("What is it?", domain=None, outcomes=outcomes)
    second = row("what is  it", "t", complexity=Complexity.MEDIUM, outcomes={"b": ModelOutcome(1)}, weight=2.0)
    dataset = mix([first, second, row("other")])
    one = dataset.rows[0]
    assert (one.id, one.source, one.query) == ("What is it?", "s", "What is it?")
    assert (one.domain, one.complexity, one.weight) == (Domain.MATH, Complexity.MEDIUM, 2.0)
    assert one.outcomes == {"a": ModelOutcome(0.5), "b": ModelOutcome(1)}
    assert (dataset.report.read, dataset.report.rows, dataset.report.contradicted.total()) == (3, 2, 0)


def test_the_earlier_row_settles_a_contradiction() -> None:
    first = row("q", complexity=Complexity.SIMPLE, outcomes={"a": ModelOutcome(0)})
    other = row("q", "t", domain=Domain.CODING, complexity=Complexity.COMPLEX, outcomes={"a": ModelOutcome(1)})
    dataset = mix([first, other])
    assert dataset.rows == (first,)
    assert dataset.report.contradicted == {"domain": 1, "complexity": 1, "score": 1}


def test_repeats_of_one_source_are_averaged() -> None:
    dataset = mix([scored("s", 0, 1.0, 10), scored("s", 1, None, 21), scored("t", 1), scored("s", 0.5, 2.0)])
    assert dataset.rows[0].outcomes == {"a": ModelOutcome(0.5, 1.5, 16, 16)}
    assert dataset.report.contradicted == {"domain": 0, "complexity": 0, "score": 1}


def test_loading_files_by_weight(tmp_path: Path) -> None:
    paths = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for path in paths:
        records = [{"query": f"{path.stem} {i}", "domain": "math", "outcomes": {"m": {"score": 1}}} for i in range(9)]
        path.write_text("\n".join(map(json.dumps, [*records, {"query": "both", "complexity": "simple"}, {}])))
    dataset = load([Source(paths[0]), Source(paths[1], weight=0.5)])
    assert [(one.query, one.weight) for one in dataset.rows if one.query in ("one 1", "two 1", "both")] == [
        ("one 1", 1.0),
        ("both", 1.0),
        ("two 1", 0.5),
    ]
    report = dataset.report
    assert (report.read, report.rows, report.skipped.counts["no query"]) == (20, 19, 2)
    assert (report.by_source, report.by_model) == ({"one": 10, "two": 9}, {"m": 18})
    assert (report.by_domain, report.by_complexity) == ({"math": 18}, {"simple": 1})
    assert str(report).splitlines() == [
        "19 questions of 20 rows",
        "by source: one 10, two 9",
        "by domain: math 18",
        "by complexity: simple 1",
        "by model: m 18",
        f"2 skipped: no query ({paths[0]}:11; {paths[1]}:11)",
    ]


def test_a_split_is_whole_disjoint_and_stable() -> None:
    dataset = mix([row(f"question {i}") for i in range(200)])
    sides = [dataset.split(4, held_out) for held_out in range(4)]
    for training, held in sides:
        assert {one.id for one in (*training, *held)} == {one.id for one in dataset.rows}
        assert len(training) + len(held) == 200
    assert sorted(one.id for _, held in sides for one in held) == sorted(one.id for one in dataset.rows)
    assert mix(dataset.rows[::-1]).split(4, 1)[1] == sides[1][1][::-1]
    again = mix([*dataset.rows, *(row(f"QUESTION {i}!") for i in range(200)), row("new")])
    assert {one.id for one in again.split(4, 1)[1]} - {"new"} == {one.id for one in sides[1][1]}


@pytest.mark.parametrize(("folds", "held_out"), [(10, 10), (10, -1), (0, 0)])
def test_no_such_fold(folds: int, held_out: int) -> None:
    with pytest.raises(DataError, match="there is no fold"):
        mix([row("q")]).split(folds, held_out)


def test_too_few_rows_to_split() -> None:
    with pytest.raises(DataError, match="leave a side empty"):
        mix([row("q")]).split(2, 0)


def test_nothing_to_mix() -> None:
    with pytest.raises(DataError, match="no rows to learn from"):
        load([])


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_no_weight(weight: float) -> None:
    with pytest.raises(DataError, match="is not above 0"):
        Source(Path("x.jsonl"), weight)


def test_faults_add_up() -> None:
    one, other = Faults(), Faults()
    one.add("broken", "a:1", 3)
    for line in range(9):
        other.add("broken", f"b:{line}")
    one.update(other)
    assert (one.counts["broken"], one.places["broken"]) == (12, ["a:1", "b:0", "b:1", "b:2", "b:3"])
