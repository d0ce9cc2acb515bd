"""python -m train.train_classifier: learns from outcomes and labels who can answer what, on a Ray cluster.

Reads the texts, lays the basis, trains the heads, exports and checks the graph, and puts the folder in its place. A run
that was killed goes on where it stopped, from a hidden folder beside the output.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from app.classifier.model import QueryClassifier
from app.errors import RouterError
from train.arguments import read_arguments
from train.basis import Basis
from train.cluster import cluster
from train.export import disagreement, put_in_place, writable, write_graph, write_manifest
from train.features import Array32, Features
from train.fit import Fitted, Workers, fit
from train.heads import Heads, Prior
from train.job import Job, read_features, read_job, work_folder
from train.lengths import Lengths
from train.pool import output_tokens
from train.record import run_record, write_record
from train.validation import validate


def main(arguments: Sequence[str] | None = None) -> int:
    args = read_arguments(arguments)
    torch.set_num_threads(1)  # here; what is heavy runs on workers
    try:
        writable(args.output)
        job = read_job(args)
        work = work_folder(args, job)
        with cluster(args.workers * args.cpus_per_worker, float(args.workers * args.use_gpu)):
            features = read_features(args, job, work)
            basis = _basis(job, features, args.seed)
            workers = Workers(args.workers, args.cpus_per_worker, args.use_gpu, work)
            fitted = fit(basis(features), job.targets, job.held_out, workers, args.seed)
        _write(args, job, features, basis, fitted, work)
    except RouterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}; nothing was replaced: free some disk and run the same command again", file=sys.stderr)
        return 1
    shutil.rmtree(work)
    return 0


def _basis(job: Job, features: Features, seed: int) -> Basis:
    """From the rows that are not held out, so that these stay unseen until the final phase."""
    names = [row.source for row, out in zip(job.dataset.rows, job.held_out, strict=True) if not out]
    return Basis.fit(features[~job.held_out], names, seed)


def _heads(job: Job, features: Features, basis: Basis, fitted: Fitted) -> tuple[Heads, dict[str, float]]:
    """Those of the final phase, with the prior and the figures that those of the select phase have on unseen rows."""
    unseen, success = features[job.held_out], _success(job)[job.held_out]
    rows = [row for row, out in zip(job.dataset.rows, job.held_out, strict=True) if out]
    lengths = Lengths.fit(basis(features), output_tokens(job.dataset.rows, job.models), job.held_out)
    none = Prior.none(len(job.models))
    blank = Heads(basis, job.targets, fitted.select_weight, fitted.select_bias, none, lengths)
    prior = Prior.fit(blank.figures(unseen.pooled, unseen.text)["difficulty"][:, 0], success)
    select = Heads(basis, job.targets, fitted.select_weight, fitted.select_bias, prior, lengths)
    figures = validate(select.figures(unseen.pooled, unseen.text), rows, success)
    if lengths.learnt:
        figures["length_r2"] = lengths.r2
    return Heads(basis, job.targets, fitted.weight, fitted.bias, prior, lengths), figures


def _write(args: argparse.Namespace, job: Job, features: Features, basis: Basis, fitted: Fitted, work: Path) -> None:
    """Into the work folder first; the output is replaced by the whole folder."""
    heads, figures = _heads(job, features, basis, fitted)
    part = work / "artifact"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    write_graph(heads, part)
    write_manifest(part, args.output.name, job.models)
    texts = [text for text, out in zip(job.texts, job.held_out, strict=True) if out]
    figures["int8_disagreement"] = disagreement(QueryClassifier(part), heads, texts, features[job.held_out])
    penalties = [(head.name, penalty) for head, penalty in zip(job.targets.heads, fitted.penalties, strict=True)]
    write_record(part, run_record(args, job, figures, penalties), job.models)
    manifest = write_manifest(part, args.output.name, job.models)  # now with the record and the card
    put_in_place(part, args.output)
    print(f"{args.output}: classifier {manifest.version}, {len(job.models)} models")
    print("\n".join(f"  {name} {value:.4f}" for name, value in figures.items()))


def _success(job: Job) -> Array32:
    start, stop = job.targets.spans["success"]
    return job.targets.values[:, start:stop]


if __name__ == "__main__":
    sys.exit(main())
