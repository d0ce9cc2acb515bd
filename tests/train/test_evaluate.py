"""The command: what it prints and writes, and how it fails."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.classifier.artifact import GRAPH, RUN
from app.digest import sha256
from tests.fakes.artifact import make_artifact
from tests.train.features import read_features
from train.evaluate import main

MODELS = {"small": 0.4, "large": 0.7}


@pytest.fixture(autouse=True)
def _no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.evaluation.inputs.read_features", read_features)


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path / "artefact", MODELS)


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def outcomes(path: Path, name: str = "q", models: Sequence[str] = ("small", "large")) -> Path:
    records = [
        {
            "query": f"{name} number {at}",
            "domain": "science",
            "outcomes": {
                model: {"score": int(at % (2 + rank) > 0), "cost_usd": 0.01 * (1 + rank)}
                for rank, model in enumerate(models)
            },
        }
        for at in range(30)
    ]
    return write(path, records)


def labels(path: Path) -> Path:
    levels = ["simple", "medium", "complex"]
    return write(path, [{"query": f"label {at}", "complexity": levels[at % 3]} for at in range(9)])


def run(artefact: Path, *arguments: str | Path) -> int:
    return main(["--artifact", str(artefact), "--outcomes", *map(str, arguments)])


def test_all_that_there_is(artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = outcomes(tmp_path / "some.jsonl"), labels(tmp_path / "levels.jsonl")
    document, picture = tmp_path / "figures.json", tmp_path / "curves.png"
    assert run(artefact, *files, "--json", document, "--plot", picture) == 0
    printed = capsys.readouterr().out
    assert "classifier fake-1, 2 models" in printed
    for line in ("some: 30 queries answered by 2 models", "domain of some: 30", "complexity of levels: 9 queries"):
        assert line in printed
    content = json.loads(document.read_text())
    (routing,) = content["routing"]
    assert routing["pair"] == {"weak": "small", "strong": "large"}
    assert routing["contenders"]["classifier"]["figures"]["quality"]["value"] == pytest.approx(20 / 30)
    assert [(one["file"], one["label"]) for one in content["labels"]] == [("some", "domain"), ("levels", "complexity")]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_same_run_gives_the_same_figures(artefact: Path, tmp_path: Path) -> None:
    documents = [tmp_path / "one.json", tmp_path / "two.json"]
    for document in documents:
        run(artefact, outcomes(tmp_path / "some.jsonl"), "--json", document)
    assert documents[0].read_bytes() == documents[1].read_bytes()


@pytest.mark.parametrize("record", [None, "{", "[]", '{"data": []}', '{"data": 1}', '{"data": [1]}'])
def test_a_file_that_the_classifier_was_trained_on_is_marked(
    artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str | None
) -> None:
    """Whatever else the record of the training looks like."""
    path = labels(tmp_path / "levels.jsonl")
    if record is not None:
        (artefact / RUN).write_text(record)
    assert run(artefact, path) == 0
    assert "was trained on this very file" not in capsys.readouterr().out
    (artefact / RUN).write_text(json.dumps({"data": [{"file": "x", "sha256": sha256(path)}]}))
    assert run(artefact, path) == 0
    assert "was trained on this very file" in capsys.readouterr().out


def test_labels_alone(artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(artefact, labels(tmp_path / "levels.jsonl")) == 0
    assert "answered by" not in capsys.readouterr().out


def test_neighbours_from_a_file(artefact: Path, tmp_path: Path) -> None:
    document = tmp_path / "figures.json"
    files = outcomes(tmp_path / "some.jsonl"), "--knn", outcomes(tmp_path / "other.jsonl", "other"), "--json", document
    assert run(artefact, *files) == 0
    knn = json.loads(document.read_text())["routing"][0]["contenders"]["kNN"]
    assert knn["figures"]["quality"]["value"] == pytest.approx(20 / 30)  # all 30 neighbours count: always the large one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl"], "missing.jsonl: cannot be read"),
        (["foreign.jsonl"], "foreign: the classifier knows 0 of its models, comparing takes two"),
        (["some.jsonl", "--weak", "large", "--strong", "small"], "there is no gap to close"),
        (
            ["some.jsonl", "--weak", "small", "--strong", "huge"],
            "huge: some has no outcomes of it; it has large",
        ),
        (["some.jsonl", "--knn", "some.jsonl"], "some: the rows of --knn have no outcome of large, small"),
        (["levels.jsonl", "--plot", "curves.png"], "--plot need outcomes, and none of the files has any"),
        (["levels.jsonl", "--json", "."], "cannot be written"),
    ],
)
def test_data_that_cannot_be_used(
    artefact: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    outcomes(tmp_path / "some.jsonl"), outcomes(tmp_path / "foreign.jsonl", models=["a", "b"])
    labels(tmp_path / "levels.jsonl")
    monkeypatch.chdir(tmp_path)
    assert run(artefact, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_broken_artefact(artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (artefact / GRAPH).write_bytes(b"nothing")
    assert run(artefact, labels(tmp_path / "levels.jsonl")) == 1
    assert "its sha256 is not that of manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weak", "small"], "name two different models"),
        (["--weak", "small", "--strong", "small"], "name two different models"),
        (["--plot", "curves.doc"], "curves.doc does not end in one of .png"),
        (["--json", "no/such/folder/figures.json"], "there is no folder no/such/folder"),
        (["--surprise"], "unrecognized arguments"),
    ],
)
def test_bad_arguments(artefact: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(artefact, "some.jsonl", *arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
