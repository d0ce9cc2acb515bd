"""One small classifier, trained by the command itself on a Ray cluster, for all tests that need one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import train

OWN = Path(train.__file__).parent / "data" / "queries.jsonl"
ROWS = 240


@dataclass(frozen=True)
class Trained:
    """`data` is what it was trained on, `output` what the command printed."""

    folder: Path
    data: Path
    output: str


def write_outcomes(path: Path, rows: int = ROWS) -> Path:
    """Own queries with their labels; "large" answers all of them, "small" the simple ones, "new" is hardly known."""
    records = [json.loads(line) for line in OWN.read_text("utf-8").splitlines()]
    step = len(records) // rows
    with path.open("w", encoding="utf-8") as file:
        for number, record in enumerate(records[::step][:rows]):
            outcomes = {"large": {"score": 1.0}, "small": {"score": float(record["complexity"] == "simple")}}
            if number % 40 == 0:
                outcomes["new"] = {"score": 0.5}
            file.write(json.dumps({**record, "source": "own", "outcomes": outcomes}) + "\n")
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "train.train_classifier", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "RAY_ADDRESS": "local"}  # not the cluster of another test


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    data = write_outcomes(folder / "outcomes.jsonl")
    run = subprocess.run(
        command("--data", data, "--output", folder / "small", "--cpus-per-worker", 0.5, "--workers", 2),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return Trained(folder / "small", data, run.stdout)
