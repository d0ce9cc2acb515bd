"""Files as sets on which models can be compared: what belongs together, what is left out, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.train.evaluated import COSTS, MODELS, file, four, rows
from train.errors import DataError
from train.evaluation.sets import File, routing_sets
from train.rows import ModelOutcome, Row


def outcomes(*models: str, cost: float | None = 0.1) -> dict[str, ModelOutcome]:
    return {model: ModelOutcome(1.0, cost) for model in models}


def asked(name: str, *models: str) -> File:
    return File(name, (Row("1", name, f"a question of {name}", outcomes=outcomes(*models)),))


def test_scores_and_costs_are_columns_by_name_of_the_model() -> None:
    found = four()
    assert found.models == ("large", "small")
    assert found.scores.tolist() == [[1, 1], [1, 0], [1, 0], [0, 0]]
    assert found.costs.tolist() == [[3, 1]] * 4
    assert found.pair == (1, 0)
    assert found.priced.all()
    assert found.notes == ()


def test_files_of_mostly_the_same_models_are_one_set() -> None:
    files = [asked("first", "a", "b", "c"), asked("other", "x", "y"), asked("second", "a", "b", "c", "d")]
    one, other = routing_sets(files, list("abcdxyz"))
    assert (one.name, one.models, len(one.rows)) == ("first + second", ("a", "b", "c"), 2)
    assert (other.name, other.models, len(other.rows)) == ("other", ("x", "y"), 1)
    assert "left out, not in all of the files: d" in one.notes
    assert "models of the classifier without outcomes here: x, y, z" in one.notes


def test_a_question_in_two_files_counts_once() -> None:
    (found,) = routing_sets([file("one"), file("two")], MODELS)
    assert len(found.rows) == 4
    assert "4 rows repeat a question and were merged" in found.notes


def test_models_that_the_classifier_does_not_know_are_left_out_and_named() -> None:
    (found,) = routing_sets([asked("f", "a", "b", "new")], ["a", "b"])
    assert found.models == ("a", "b")
    assert "left out, the classifier does not know them: new" in found.notes


def test_queries_that_lack_an_outcome_are_counted() -> None:
    lacking = Row("5", "test", "e", outcomes=outcomes("small"))
    (found,) = routing_sets([File("five", (*rows(), lacking))], MODELS)
    assert len(found.rows) == 4
    assert "1 of 5 queries lack a model's outcome and are left out" in found.notes


def test_costs_that_are_missing_or_the_same() -> None:
    assert not four(None).priced.any()
    assert four(None).notes == ("costs are not known: no AIQ, the quality of the chosen model only",)
    same = four({"small": 1.0, "large": 1.0})
    assert not same.priced.any()
    assert same.notes == ("all models cost the same: no AIQ, the quality of the chosen model only",)
    first, *rest = rows()
    unpriced = replace(first, outcomes=outcomes("small", "large", cost=None))
    (partly,) = routing_sets([File("partly", (unpriced, *rest))], MODELS)
    assert partly.priced.tolist() == [False, True, True, True]
    assert partly.notes == ("1 of 4 queries lack a cost and are left out of AIQ",)


def test_of_two_models_that_score_the_same_none_is_the_strong_one() -> None:
    (found,) = routing_sets([asked("f", "a", "b")], ["a", "b"])
    assert found.pair is None
    assert "both models score the same: there is no gap for APGR and CPT" in found.notes


def test_a_named_pair_leaves_the_others_out() -> None:
    (found,) = routing_sets([file()], [*MODELS, "third"], ("small", "large"))
    assert (found.models, found.pair, found.notes) == (("large", "small"), (1, 0), ())


def test_a_named_pair_without_a_gap_is_refused_before_texts_are_read() -> None:
    with pytest.raises(DataError, match=r"the strong model scores 0\.250, the weak one 0\.750"):
        routing_sets([file()], MODELS, ("large", "small"))


def test_a_named_pair_is_measured_where_no_query_has_all_models() -> None:
    some = File("some", (*rows(), Row("5", "test", "e", outcomes=outcomes("third"))))
    with pytest.raises(DataError, match="none of 5 queries has outcomes of all of large, small, third; name two"):
        routing_sets([some], ["large", "small", "third"])
    (found,) = routing_sets([some], ["large", "small", "third"], ("small", "large"))
    assert len(found.rows) == 4


@pytest.mark.parametrize(
    ("models", "known", "pair", "message"),
    [
        ("ab", "xy", None, "f: the classifier knows 0 of its models, comparing takes two; the file has a, b, the c"),
        ("ab", "ax", None, "knows 1 of its models"),
        ("ab", "abx", ("a", "x"), "x: f has no outcomes of it; it has a, b"),
        ("abx", "ab", ("x", "a"), "x: the classifier does not know it; it knows a, b"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    models: str, known: str, pair: tuple[str, str] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        routing_sets([asked("f", *models)], list(known), pair)


def test_labels_alone_are_no_set() -> None:
    assert routing_sets([File("labels", (replace(rows()[0], outcomes={}),))], MODELS) == ()


def test_a_file_says_what_was_skipped(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    record = {"query": "q", "outcomes": {"small": {"score": 1, "cost_usd": COSTS["small"]}}}
    path.write_text(f"{json.dumps(record)}\nnot json\n{json.dumps(record)}\n")
    found = File.read(path)
    assert (found.name, found.models, len(found.rows)) == ("some", {"small"}, 1)
    assert found.notes[0].startswith("1 skipped: not JSON")
    assert found.notes[1] == "1 rows repeat a question and were merged"
