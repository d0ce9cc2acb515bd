"""Training by its command line: on a real Ray cluster with two workers, killed and resumed, and on bad input."""

import json
import os
import signal
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from app.classifier.artifact import CARD, GRAPH, MANIFEST, RUN
from app.classifier.model import QueryClassifier
from app.digest import sha256
from tests.train.conftest import Trained, command, environment, write_outcomes
from train import train_classifier
from train.arguments import read_arguments
from train.features import read_features
from train.job import read_job, work_folder
from train.train_classifier import main

HARD = "Prove that every bounded sequence of reals has a convergent subsequence, and show where completeness is used."


@pytest.mark.integration
@pytest.mark.cluster
def test_the_artefact_serves_and_knows_what_it_was_told(trained: Trained) -> None:
    classifier = QueryClassifier(trained.folder)
    features = read_features(["thanks!", HARD], progress=False)
    thanks, hard = classifier.predict(features.pooled, features.text)
    assert classifier.manifest.models == ("large", "small")
    assert thanks.success["small"] > hard.success["small"] + 0.2
    assert hard.success["large"] > 0.9
    assert thanks.complexity < hard.complexity
    assert hard.domain == "math"
    assert hard.levels["complex"] > thanks.levels["complex"]
    assert sum(hard.domains.values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.integration
@pytest.mark.cluster
def test_a_run_is_recorded_and_leaves_nothing_else(trained: Trained) -> None:
    record = json.loads((trained.folder / RUN).read_text())
    assert record["data"] == [{"file": trained.data.name, "sha256": sha256(trained.data)}]
    assert 0 < record["seconds"] < 300
    assert record["arguments"]["seed"] == 7
    assert record["versions"]["torch"]
    assert 0 < record["validation"]["complexity_accuracy"] <= 1
    assert record["validation"]["int8_disagreement"] < 0.03
    card = (trained.folder / CARD).read_text()
    assert "| own | 240 |" in card
    assert "| small | 240 |" in card
    assert str(trained.folder.parent) not in card + json.dumps(record)
    assert sorted(path.name for path in trained.folder.iterdir()) == sorted([CARD, GRAPH, MANIFEST, RUN])
    assert sorted(path.name for path in trained.folder.parent.iterdir()) == ["outcomes.jsonl", "small"]
    assert "fewer than 50 outcomes, no head: new" in trained.output


@pytest.mark.integration
@pytest.mark.cluster
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data = write_outcomes(tmp_path / "outcomes.jsonl", rows=120)
    arguments = command("--data", data, "--output", tmp_path / "out", "--min-outcomes", 20)
    work = tmp_path / ".out.work"
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 120
        while not list(work.glob("heads/checkpoint_*")) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    assert list(work.glob("heads/checkpoint_*"))
    again = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=False, timeout=240)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "going on from" in again.stdout
    assert "reading texts" not in again.stderr
    assert QueryClassifier(tmp_path / "out").manifest.models == ("large", "small")
    assert not work.exists()


def failing(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The message of a run that fails before anything is started."""
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error
    return error


def test_bad_input_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, empty, foreign = tmp_path / "out", tmp_path / "empty.jsonl", tmp_path / "foreign"
    data = write_outcomes(tmp_path / "outcomes.jsonl", rows=60)
    empty.touch()
    foreign.mkdir()
    (foreign / "diary.txt").write_text("dear diary")
    nonsense = tmp_path / "nonsense.jsonl"
    nonsense.write_text('{"query": "q", "outcomes": {"m": {"score": 1.5}}}\n{"query": "r", "domain": "cooking"}\n')
    few = tmp_path / "few.jsonl"
    few.write_text("".join(data.read_text().splitlines(keepends=True)[:1]))
    for arguments, message in (
        ([], "there are no rows to learn from; name at least one data file"),
        (["--data", tmp_path / "none.jsonl"], "none.jsonl: cannot be read"),
        (["--data", empty], "empty.jsonl: is empty"),
        (["--data", nonsense], "score not a number from 0 to 1 (" + str(nonsense) + ":1: m: 1.5)"),
        (["--data", f"{data}=much"], "'much' is no number; write FILE=WEIGHT"),
        (["--data", f"{data}=-1"], "weight -1.0 is not above 0"),
        (["--data", data, "--min-outcomes", 10_000], "no model has 10000 outcomes"),
        (["--data", few], "leave a side empty"),
        (["--database", "mysql://x/y"], "mysql"),
        (["--data", data, "--database", "sqlite:///x.db", "--since", "yesterday"], "yesterday: is no date"),
    ):
        assert message in failing(capsys, *arguments, "--output", out)
        assert not out.exists()
    assert "holds no classifier" in failing(capsys, "--data", data, "--output", foreign)
    assert (foreign / "diary.txt").exists()


@pytest.mark.parametrize("option", ["--workers", "--cpus-per-worker", "--min-outcomes"])
def test_none_of_what_training_needs_is_refused(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in ("0", "-1"):
        with pytest.raises(SystemExit) as end:
            main(["--data", "x.jsonl", "--output", str(tmp_path / "out"), option, value])
        assert end.value.code == 2
        assert f"{option} {value}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_work_folder_keeps_no_secret_and_fits_what_is_learnt(tmp_path: Path) -> None:
    data = write_outcomes(tmp_path / "outcomes.jsonl", rows=60)
    given = ["--data", str(data), "--output", str(tmp_path / "out"), "--min-outcomes", "20"]
    args = read_arguments(given)
    job = read_job(args)
    args.database = "postgresql://user:hunter2@db/router"
    work = work_folder(args, job)
    assert "hunter2" not in (work / "job.json").read_text()
    (work / "features.npz").touch()
    assert work_folder(read_arguments([*given, "--workers", "2"]), job) == work
    assert (work / "features.npz").exists()
    work_folder(read_arguments([*given, "--seed", "8"]), job)
    assert not (work / "features.npz").exists()


def test_no_disk_left_leaves_the_old_artefact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_text("the old one")
    data = write_outcomes(tmp_path / "outcomes.jsonl", rows=60)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train_classifier, "cluster", lambda *_: nullcontext())
    monkeypatch.setattr(train_classifier, "read_features", full)
    assert "No space left on device; nothing was replaced" in failing(
        capsys, "--data", data, "--output", out, "--min-outcomes", 20
    )
    assert (out / MANIFEST).read_text() == "the old one"


@pytest.mark.integration
@pytest.mark.cluster
def test_a_cluster_that_is_too_small_is_named(tmp_path: Path) -> None:
    data = write_outcomes(tmp_path / "outcomes.jsonl", rows=60)
    arguments = command("--data", data, "--output", tmp_path / "out", "--min-outcomes", 20, "--workers", 1000)
    run = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 1
    assert "error: training wants 1000 CPU in all, the cluster has" in run.stderr
