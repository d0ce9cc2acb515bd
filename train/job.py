"""What one training learns from: its rows, its pool of models, and a folder to go on from after being killed."""

import argparse
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifacts.minilm import ENCODER
from train.arguments import since, sources
from train.cluster import read_on_cluster
from train.dataset import Dataset, mix, read
from train.features import Features
from train.pool import pool
from train.questions import fold
from train.recorded import rows_from_database
from train.targets import Targets, targets

FOLDS = 10  # one of which chooses the penalties


@dataclass(frozen=True, slots=True)
class Job:
    """`held_out` (n,) are the rows that choose the penalties; `started` is of time.monotonic()."""

    started: float
    dataset: Dataset
    models: tuple[str, ...]
    targets: Targets
    held_out: NDArray[np.bool_]

    @property
    def texts(self) -> list[str]:
        return [row.query for row in self.dataset.rows]


def read_job(args: argparse.Namespace) -> Job:
    """Raises DataError when there is nothing to learn from, StorageUnavailable when the database cannot be read."""
    started = time.monotonic()
    rows, faults = read(sources(args.data))
    if args.database:
        more, skipped = rows_from_database(args.database, since(args.since))
        rows += more
        faults.update(skipped)
    dataset = mix(rows, faults)
    print(dataset.report, flush=True)
    dataset.split(FOLDS)  # raises when a side is empty
    models = _pool(dataset, args.min_outcomes)
    held_out = np.array([fold(row.query, FOLDS) == 0 for row in dataset.rows])
    return Job(started, dataset, models, targets(dataset.rows, models), held_out)


def work_folder(args: argparse.Namespace, job: Job) -> Path:
    """Beside the output, hidden; kept while rows, seed and encoder are the same, so that a killed run goes on."""
    work: Path = args.output.with_name(f".{args.output.name}.work")
    names = "\0".join(f"{row.source}\0{row.query}" for row in job.dataset.rows)
    digest = hashlib.sha256(names.encode("utf-8", "replace"))
    digest.update(job.targets.values.tobytes() + job.targets.weights.tobytes())
    same = {"rows": digest.hexdigest(), "seed": args.seed, "encoder": ENCODER, "router": version("llm-router")}
    mark = work / "job.json"
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == same:
        print(f"going on from {work}", flush=True)
    else:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        mark.write_text(json.dumps(same), encoding="utf-8")
    return work


def read_features(args: argparse.Namespace, job: Job, work: Path) -> Features:
    """From the work folder, else read on the cluster and left there."""
    file = work / "features.npz"
    if not file.is_file():
        features = read_on_cluster(job.texts, args.workers, args.cpus_per_worker)
        part = work / "part.npz"
        np.savez(part, **_arrays(features))
        part.replace(file)
    with np.load(file) as arrays:
        return Features(arrays["vectors"], arrays["pooled"], arrays["text"])


def _arrays(features: Features) -> dict[str, Any]:
    return {"vectors": features.vectors, "pooled": features.pooled, "text": features.text}


def _pool(dataset: Dataset, min_outcomes: int) -> tuple[str, ...]:
    """Labels alone are enough to train on; outcomes too few for any model are not."""
    if not dataset.report.by_model:
        print("no outcomes: complexity and domain are learnt, P(success) of no model", flush=True)
        return ()
    models = tuple(pool(dataset.rows, min_outcomes))
    if few := sorted(set(dataset.report.by_model) - set(models)):
        print(f"fewer than {min_outcomes} outcomes, no head: {', '.join(few)}", flush=True)
    return models
