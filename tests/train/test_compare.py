"""The command: that no learner sees what it is measured on, what is printed and written, and how it fails."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train.evaluated import MODELS, file
from tests.train.features import FeatureReader, read_features
from train.compare import main
from train.compared.examples import Examples, Predictor
from train.compared.figures import Measures
from train.compared.folds import run
from train.compared.table import document, sections, table
from train.errors import DataError
from train.evaluation.sets import routing_sets
from train.features import Array32, Features


@dataclass
class Oracle:
    """Remembers what it was shown; knows the scores of the set that is worked out by hand, as P(success)."""

    name: str = "oracle"
    about: str = "knows it all"
    frozen: bool = True
    shown: list[list[str]] = field(default_factory=list)

    def fit(self, examples: Examples) -> Predictor:
        self.shown.append(examples.texts)
        known = dict(zip(["a", "bb", "ccc", "dddd"], [[1, 1], [1, 0], [1, 0], [0, 0]], strict=True))

        def predict(texts: Sequence[str], _: Features) -> Array32:
            return np.array([known[text] for text in texts], np.float32)

        return predict


@pytest.fixture(autouse=True)
def _no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.compared.examples.read_features", read_features)
    monkeypatch.setattr("train.compared.folds.FeatureReader", FeatureReader)


def test_no_learner_sees_what_it_is_measured_on() -> None:
    examples, oracle = Examples.read([file()], MODELS), Oracle()
    where = examples.folds(3, 7)
    folds = sorted(set(where.tolist()))
    found = run(oracle, examples, 3, folds)
    assert found.predicted.tolist() == [[1, 1], [1, 0], [1, 0], [0, 0]]
    for one, shown in zip(folds, oracle.shown, strict=True):
        assert set(shown) == {text for text, at in zip(examples.texts, where, strict=True) if at != one}
    only = run(oracle, examples, 3, folds[:1])
    assert np.isnan(only.predicted).all(axis=1).tolist() == (where != folds[0]).tolist()
    assert found.train_s >= 0
    assert found.query_ms > 0


def test_a_fold_without_rows_is_refused() -> None:
    examples = Examples.read([file()], MODELS)
    empty = next(one for one in range(50) if one not in examples.folds(50, 7))
    with pytest.raises(DataError, match=f"4 rows leave a side empty at fold {empty} of 50"):
        run(Oracle(), examples, 50, [empty])


def test_learners_are_shown_on_the_folds_that_all_of_them_have() -> None:
    examples = Examples.read([file()], MODELS)
    folds = sorted(set(examples.folds(3, 7).tolist()))
    runs = [run(Oracle(), examples, 3, folds), run(Oracle("slow", "is slow"), examples, 3, folds[:1])]
    whole, part = sections(runs, examples, Measures((), routing_sets([file()], MODELS), MODELS))
    assert (whole.folds, whole.queries, len(whole.lines)) == (tuple(folds), 4, 1)
    assert (part.folds, len(part.lines)) == ((folds[0],), 2)
    lines = table(whole).splitlines()
    assert lines[0] == f"4 queries of folds {', '.join(map(str, folds))}"
    assert lines[2] == "| learner | four: APGR | four: AIQ | s to train | ms a query |"
    assert lines[4].startswith("| knows it all | ")
    content = json.loads(json.dumps(document([whole, part]), allow_nan=False))
    assert content[0]["learners"]["oracle"]["figures"]["four: AIQ"]["value"] == pytest.approx(0.625)
    assert content[1]["folds"] == [folds[0]]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    levels = ["simple", "medium", "complex"]
    labels = [{"query": f"label {at}", "complexity": levels[at % 3]} for at in range(40)]
    outcomes = [
        {"query": f"query {at}", "outcomes": {"small": {"score": at % 2}, "large": {"score": min(1, at % 3)}}}
        for at in range(40)
    ]
    files = [write(tmp_path / "levels.jsonl", labels), write(tmp_path / "pair.jsonl", outcomes)]
    written = tmp_path / "figures.json"
    arguments = ["--data", *map(str, files), "--only", "embedding", "knn", "--folds", "2", "--json", str(written)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "80 queries of folds 0, 1"
    assert printed[2] == "| learner | levels: accuracy | pair: APGR | s to train | ms a query |"
    assert [line.split(" | ")[0] for line in printed[4:]] == [
        "| kNN, the sentence embedding",
        "| linear, the sentence embedding and 9 text features",
    ]
    assert json.loads(written.read_text())[0]["learners"].keys() == {"knn", "embedding"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"query": "q", "domain": "math"}', "neither a complexity nor outcomes"),
        ('{"query": "q", "outcomes": {"one": {"score": 1}}}', "comparing takes two"),
        ('{"query": "q", "complexity": "simple"}', "1 rows leave a side empty at fold 0 of 5"),
        ("nonsense", "has no usable row"),
    ],
)
def test_data_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(content)
    assert main(["--data", str(path), "--only", "knn"]) == 1
    error = capsys.readouterr().err
    assert "error: " in error
    assert message in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "1"], "--folds takes at least 2"),
        (["--tuned-folds", "5"], "--tuned-folds numbers from 0"),
        (["--epochs", "0"], "take at least 1"),
        (["--only", "magic"], "invalid choice: 'magic'"),
        (["--json", "no/such/folder/figures.json"], "there is no folder"),
    ],
)
def test_bad_arguments(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--data", "some.jsonl", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
