"""Batch scoring: a line in, a line out, and what cannot be scored is named."""

import json
from pathlib import Path

import pytest

from app.domain import Complexity, Domain
from tests.train.conftest import Trained
from train.score import main, read_queries

pytestmark = [pytest.mark.integration, pytest.mark.cluster]
QUERIES = [{"id": 1, "query": "hi"}, {"id": "two", "query": "Integrate x^2 e^x by parts, twice."}]


def write(path: Path, lines: list[object]) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def run(trained: Trained, source: Path, target: Path, *more: str) -> int:
    return main(["--artifact", str(trained.folder), "--input", str(source), "--output", str(target), *more])


def test_each_query_gets_its_figures(trained: Trained, tmp_path: Path) -> None:
    target = tmp_path / "scores.jsonl"
    assert run(trained, write(tmp_path / "queries.jsonl", QUERIES), target) == 0
    hi, integral = (json.loads(line) for line in target.read_text().splitlines())
    assert (hi["id"], integral["id"]) == (1, "two")
    assert list(hi) == ["id", "complexity", "difficulty", "domain", "success"]
    assert set(hi["complexity"]) == set(Complexity)
    assert set(hi["domain"]) == set(Domain)
    assert set(hi["success"]) == {"large", "small"}
    assert sum(hi["complexity"].values()) == pytest.approx(1, abs=1e-3)
    assert hi["difficulty"] < integral["difficulty"]
    assert max(integral["domain"], key=integral["domain"].get) == "math"


def test_a_part_of_the_models(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = write(tmp_path / "queries.jsonl", QUERIES), tmp_path / "scores.jsonl"
    assert run(trained, source, target, "--models", "small") == 0
    assert set(json.loads(target.read_text().splitlines()[0])["success"]) == {"small"}
    before = target.read_text()
    assert run(trained, source, target, "--models", "small,medium") == 1
    assert "--models: medium: not in the classifier; it knows large, small" in capsys.readouterr().err
    assert target.read_text() == before


def test_lines_that_cannot_be_scored_are_counted(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["not json\n", {"id": "long", "query": "x" * 50_001}, {"id": "none"}, QUERIES[0]]
    source, target = write(tmp_path / "queries.jsonl", lines), tmp_path / "scores.jsonl"
    assert run(trained, source, target) == 0
    output = capsys.readouterr()
    assert "1 queries scored" in output.out
    for reason in ("1 skipped: not JSON", "1 skipped: query over 50,000 characters", "1 skipped: no query"):
        assert reason in output.err
    assert len(target.read_text().splitlines()) == 1


def test_bad_input_is_named(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, empty = write(tmp_path / "queries.jsonl", QUERIES), write(tmp_path / "empty.jsonl", [])
    assert run(trained, empty, tmp_path / "scores.jsonl") == 1
    assert "empty.jsonl: has no query to score" in capsys.readouterr().err
    assert run(trained, good, tmp_path / "none" / "scores.jsonl") == 1
    assert "scores.jsonl: cannot be written" in capsys.readouterr().err
    assert main(["--artifact", str(tmp_path), "--input", str(good), "--output", str(tmp_path / "s")]) == 1
    assert "manifest.json: cannot be read" in capsys.readouterr().err


def test_a_query_without_an_id_is_named_by_its_line(tmp_path: Path) -> None:
    queries, _ = read_queries(write(tmp_path / "some.jsonl", ["\n", {"query": "hi"}]))
    assert queries == [("some:2", "hi")]
