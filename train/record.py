"""What a training leaves beside its weights: the run record, for machines, and the model card, for people."""

import argparse
import json
import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.classifier.artifact import CARD, RUN
from app.digest import sha256
from train.arguments import sources
from train.job import Job

PACKAGES = ("llm-router", "numpy", "onnxruntime", "ray", "tokenizers", "torch", "transformers")


def run_record(
    args: argparse.Namespace, job: Job, figures: Mapping[str, float], penalties: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    """`figures` were measured on the rows held out, `penalties` are those chosen, a pair a head."""
    report = job.dataset.report
    files = [source.path for source in sources(args.data)]
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - job.started),
        "arguments": _arguments(args),
        "data": [{"file": path.name, "sha256": sha256(path)} for path in files],
        "rows": report.rows,
        "rows_by_source": dict(report.by_source),
        "outcomes_by_model": dict(report.by_model),
        "skipped": dict(report.skipped.counts),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "penalties": list(penalties),
        "validation": dict(figures),
    }


def _arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Files by their names: where they were is nobody's business, nor is the password of a database."""
    shown = {"data": [Path(one).name for one in args.data], "output": args.output.name}
    return {**vars(args), **shown, "database": None if args.database is None else "given"}


def write_record(folder: Path, record: Mapping[str, Any], models: Sequence[str]) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (folder / RUN).write_text(text + "\n", encoding="utf-8")
    (folder / CARD).write_text(_card(record, models), encoding="utf-8")


def _card(record: Mapping[str, Any], models: Sequence[str]) -> str:
    sources = "\n".join(f"| {name} | {count} |" for name, count in record["rows_by_source"].items())
    counts = record["outcomes_by_model"]
    outcomes = "\n".join(f"| {model} | {counts.get(model, 0)} |" for model in models)
    figures = "\n".join(f"| {name} | {_shown(value)} |" for name, value in record["validation"].items())
    return f"""# Query classifier

Reads a query and says how complex it is, what it is about, and how likely each model of its pool is to answer it well.
Frozen encoder all-MiniLM-L6-v2 (Apache-2.0, not in this folder); on the means of its middle layers and on counts of
the text, a Gaussian kernel machine with landmarks, one linear head for each figure. Made by
`python -m train.train_classifier`; `{RUN}` has the arguments, the hashes of the data and the versions.

For routing between the models below. Not for judging people or their texts. Queries unlike the training data get
little more than a prior: `support` says so. English dominates the data.

## Trained on

{record["rows"]} questions, {record["made_at"]}.

| source | questions |
|---|---|
{sources}

## Models

| model | outcomes |
|---|---|
{outcomes}

## Measured on the tenth of the questions that chose the penalties

By weights that had not been trained on these; but they chose the penalties and the prior, so other questions may fare a
little worse. The weights here were then trained on all questions with these penalties.

| figure | value |
|---|---|
{figures}
"""


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
