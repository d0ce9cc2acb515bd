"""python -m train.compare --data FILE...: learners on the same encoder, compared on folds that they have not seen.

All files are learnt together. A question lies in the same fold whatever the files. Learners that change the encoder
take minutes a fold on a CPU, so they run on the first fold only, unless told otherwise; the others are shown on that
fold too.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from app.errors import ConfigError
from train.compared.examples import Examples, Learner
from train.compared.figures import Measures
from train.compared.folds import run
from train.compared.frozen import EmbeddingLearner, LayersLearner, NeighbourLearner, NetworkLearner
from train.compared.landmarks import LandmarkLearner
from train.compared.table import document, sections, table
from train.compared.tuned import tuned_learners
from train.errors import DataError
from train.evaluation.classes import label_lines
from train.evaluation.sets import File, routing_sets

NAMES = ("knn", "embedding", "layers", "mlp", "landmarks", "lora", "full")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when the data cannot be used."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    try:
        _run(options)
    except ConfigError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    files = [File.read(path) for path in options.data]
    known = set().union(*(file.models for file in files))
    routing = routing_sets(files, sorted(known & set(options.models.split(",")) if options.models else known))
    models = tuple(sorted({model for one in routing for model in one.models}))
    labelled = tuple(file for file in files if label_lines(file, "complexity"))
    examples, measures = Examples.read(files, models), Measures(labelled, routing, models)
    runs = []
    for learner in _learners(options):
        print(f"{learner.name}: {learner.about}", file=sys.stderr)
        folds = range(options.folds) if learner.frozen else options.tuned_folds
        runs.append(run(learner, examples, options.folds, folds))
    found = sections(runs, examples, measures)
    print("\n\n".join(map(table, found)))
    if options.json:
        try:
            options.json.write_text(json.dumps(document(found), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise DataError(f"{options.json}: cannot be written ({error.strerror}); give another path") from error


def _learners(options: argparse.Namespace) -> list[Learner]:
    every: list[Learner] = [NeighbourLearner(), EmbeddingLearner(), LayersLearner(), NetworkLearner()]
    every += [LandmarkLearner(), *tuned_learners(options.epochs, options.tokens)]
    return [learner for learner in every if learner.name in options.only]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train.compare", description="Compares learners on held-out folds.")
    add = parser.add_argument
    add("--data", type=Path, required=True, nargs="+", metavar="FILE", help="JSONL of outcomes, labels, or both")
    add("--models", metavar="A,B", help="only these; others, like one that beats all, hide what routing can do")
    add("--folds", type=int, default=5, help="(default: 5)")
    add("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=f"some of {', '.join(NAMES)}")
    add("--tuned-folds", type=int, nargs="+", default=[0], metavar="FOLD", help="for lora and full (default: 0)")
    add("--epochs", type=int, default=2, help="of lora and full (default: 2)")
    add("--tokens", type=int, default=192, help="of a text that lora and full read, at most (default: 192)")
    add("--threads", type=int, default=os.cpu_count() or 1, help="of torch (default: all cores)")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args(arguments)
    if options.folds < 2 or not all(0 <= one < options.folds for one in options.tuned_folds):
        parser.error("--folds takes at least 2, --tuned-folds numbers from 0 to one less than these")
    if min(options.epochs, options.tokens, options.threads) < 1:
        parser.error("--epochs, --tokens and --threads take at least 1")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"{options.json}: there is no folder {options.json.parent}; make it first")
    return options


if __name__ == "__main__":
    sys.exit(main())
