"""Tuning by its command line: on a real Ray cluster, killed and resumed, and on bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain import Tier
from app.paths import project_path
from app.routing.weights import Policy
from tests.fakes.artifact import make_artifact
from tests.train.conftest import environment
from tests.train.test_recorded import record
from tests.train.test_replay import SCORES, outcomes, weights_file
from tests.train.test_replay_logs import call, candidate
from train.tune_weights import main


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A policy that asks the dear model always, on queries of which the cheap one knows a fourth."""
    folder = tmp_path_factory.mktemp("tuning")
    data = outcomes(folder / "outcomes.jsonl", rows=240)
    artifact = make_artifact(folder / "classifier", SCORES, tokens=50)
    dear = weights_file(folder / "dear.json", cost=1.0)
    return ("--replay", str(data), "--artifact", str(artifact), "--policy", str(dear), "--cpus-per-trial", "0.5")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "train.tune_weights", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(), capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.integration
@pytest.mark.cluster
def test_a_search_leaves_a_policy_a_record_and_a_picture(traffic: tuple[str, ...], tmp_path: Path) -> None:
    ended = run(*traffic, "--tier", "enterprise", "--trials", 8, "--output", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["pareto.png", "tuning.json", "weights.json"]
    record = json.loads((out / "tuning.json").read_text())
    content = json.loads((out / "weights.json").read_text())
    live = json.loads(Path(traffic[5]).read_text())
    assert content["version"] == record["policy"]["tuned"]
    assert content["weights"]["free"] == live["weights"]["free"]
    weights = Policy.read(content, "weights.json").weights[Tier.ENTERPRISE]
    assert weights.quality_floor > 0 or weights.quality > weights.cost
    (tier,) = record["tiers"].values()
    assert len(tier["trials"]) == 8
    assert {trial["share"] for trial in tier["trials"]} <= {0.125, 0.25, 0.5, 1.0}
    assert tier["better_than_live"]
    assert tier["points"]["chosen"]["figures"]["quality"]["value"] == 1
    assert tier["points"]["live policy"]["figures"]["quality"]["value"] < 0.5
    assert set(record["sources"]) == {"outcomes.jsonl", "fake-1"}
    assert str(tmp_path) not in json.dumps(record)
    assert "against the best single model (large)" in ended.stdout
    assert "enterprise: 100%" in ended.stderr
    assert "Checkpoint" not in ended.stderr


@pytest.mark.integration
@pytest.mark.cluster
def test_a_killed_search_goes_on_where_it_stopped(traffic: tuple[str, ...], tmp_path: Path) -> None:
    arguments = (*traffic, "--tier", "pro", "--trials", 400, "--concurrent", 1, "--output", tmp_path / "out")
    folder = tmp_path / ".out.work" / "pro"
    with subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        while _ended(folder) < 5 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    before = _ended(folder)
    assert before >= 5
    again = run(*arguments)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "going on from" in again.stdout
    assert "reading texts" not in again.stderr
    first = re.search(r"(\d+)/400", again.stderr)
    assert first is not None
    assert int(first[1]) >= before
    (tier,) = json.loads((tmp_path / "out" / "tuning.json").read_text())["tiers"].values()
    assert len(tier["trials"]) == 400
    assert not (tmp_path / ".out.work").exists()


@pytest.mark.integration
@pytest.mark.cluster
def test_stored_requests_tune_the_live_policy(tmp_path: Path) -> None:
    """Ratings say that the dear model is not worth its price; the live policy asks it, and explores."""
    url, now = f"sqlite:///{tmp_path}/router.db", datetime.now(UTC)
    dear, cheap = candidate("strong", 0.8, 0.0), candidate("small", 0.78, 1.0)
    dear["cost_usd"], cheap["cost_usd"] = 1.0, 0.1
    calls = []
    for at in range(240):
        explored = at % 2 == 1
        made = {"created_at": now - timedelta(minutes=300 - at)}
        ranked = {"candidates": [cheap, dear] if explored else [dear, cheap], "propensity": 0.5}
        ended = {"model": "small", "cost_usd": 0.1} if explored else {"model": "strong", "cost_usd": 1.0}
        calls.append(call(f"r{at}", 5 - at % 3, {**ranked, **made}, **ended, **made))
    record(url, calls)
    good = weights_file(tmp_path / "good.json", quality=1.0)
    out = ("--output", tmp_path / "out")
    ended = run("--since", "1d", "--database", url, "--policy", good, "--trials", 8, *out)
    assert ended.returncode == 0, ended.stderr[-3000:]
    (tier,) = json.loads((tmp_path / "out" / "tuning.json").read_text())["tiers"].values()
    assert tier["better_than_live"]
    assert tier["points"]["chosen"]["figures"]["cost_saved"]["value"] == pytest.approx(0.9, abs=0.15)
    assert tier["points"]["chosen"]["overlap"]["rated"] == 48
    assert "against the live policy" in ended.stdout


def _ended(folder: Path) -> int:
    """Trials that the newest state of the experiment holds as ended."""
    states = sorted(folder.glob("experiment_state-*.json"))
    try:
        return states[-1].read_text().count("TERMINATED") if states else 0
    except OSError:  # replaced meanwhile
        return 0


def failing(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error[error.index("error: ") :]


def test_bad_input_is_named(traffic: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--output", tmp_path / "out")
    unpriced = outcomes(tmp_path / "unpriced.jsonl", rows=240, cost_usd=None)
    few = outcomes(tmp_path / "few.jsonl", rows=50)
    artifact = traffic[2:4]
    for arguments, message in (
        (("--replay", tmp_path / "none.jsonl", *artifact), "none.jsonl: cannot be read"),
        (("--replay", few, *artifact), "either takes 30; replay more"),
        (("--replay", unpriced, *artifact), "queries is not known: nothing can be weighed"),
        ((*traffic, "--policy", project_path("configs/tuning.yaml")), "quality_kept: unknown key"),
        ((*traffic, "--aims", project_path("configs/models.yaml")), "models: unknown key"),
        (("--since", "7d", "--database", f"sqlite:///{tmp_path}/new.db"), "nothing to replay"),
    ):
        assert message in failing(capsys, *arguments, *out)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--trials", "--concurrent", "--cpus-per-trial"])
def test_none_of_what_tuning_needs_is_refused(
    option: str, traffic: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*traffic, option, "0"])
    assert end.value.code == 2
    assert f"{option} 0" in capsys.readouterr().err


@pytest.mark.integration
@pytest.mark.cluster
def test_a_cluster_that_is_too_small_is_named(traffic: tuple[str, ...], tmp_path: Path) -> None:
    ended = run(*traffic, "--concurrent", 1000, "--output", tmp_path / "out")
    assert ended.returncode == 1
    assert "error: training wants 500 CPU in all, the cluster has" in ended.stderr
    assert "lower --concurrent or --cpus-per-trial" in ended.stderr
