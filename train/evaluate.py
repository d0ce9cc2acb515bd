"""python -m train.evaluate --artifact FOLDER --outcomes FILE...: how well a trained classifier routes and tells.

Beside baselines, with 95 % intervals; train/README.md says what each figure is.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from app.classifier.model import QueryClassifier
from app.errors import ConfigError
from train.errors import DataError
from train.evaluation.classes import CLASSES, LabelFigures, label_lines, told
from train.evaluation.contenders import contenders, neighbours_of, neighbours_of_others, teaching
from train.evaluation.document import document
from train.evaluation.inputs import Read
from train.evaluation.routing import RoutingFigures, measured
from train.evaluation.seen import read_file, training_hashes
from train.evaluation.sets import File, RoutingSet, routing_sets
from train.evaluation.tables import label_table, routing_table
from train.rows import Row

PICTURES = (".png", ".svg", ".pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when the data or the artefact cannot be used."""
    options = _options(arguments)
    try:
        _run(options)
    except ConfigError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    classifier = QueryClassifier(options.artifact)
    trained_on = training_hashes(options.artifact)
    files = [read_file(path, trained_on) for path in options.outcomes]
    pair = (options.weak, options.strong) if options.weak else None
    sets = routing_sets(files, classifier.manifest.models, pair)
    if not sets and (pair or options.knn or options.plot):
        raise DataError("--weak, --strong, --knn and --plot need outcomes, and none of the files has any")
    others = [row for path in options.knn for row in File.read(path).rows]
    taught = [teaching(one, others) if options.knn else () for one in sets]
    read = Read.of([row for some in (*(file.rows for file in files), *taught) for row in some], classifier)
    known = classifier.manifest.models
    routing = [_routing(one, read, known, rows) for one, rows in zip(sets, taught, strict=True)]
    labels = [found for file in files for label in CLASSES if (found := _labels(file, label, read))]
    _show(classifier, files, routing, labels)
    try:
        if options.json:
            content = document(classifier.manifest, files, routing, labels)
            options.json.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        if options.plot:
            from train.evaluation.plot import draw  # matplotlib takes a second to import

            draw(routing, options.plot)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be written ({error.strerror}); give another path") from error


def _routing(routing: RoutingSet, read: Read, known: Sequence[str], taught: Sequence[Row]) -> RoutingFigures:
    columns = [known.index(model) for model in routing.models]
    success = read.figures_of(routing.rows, "success")[:, columns]
    vectors = read.vectors_of(routing.rows)
    neighbours = (
        neighbours_of(routing, vectors, taught, read.vectors_of(taught))
        if taught
        else neighbours_of_others(routing, vectors)
    )
    return measured(routing, success, contenders(routing, success, neighbours))


def _labels(file: File, label: str, read: Read) -> LabelFigures | None:
    lines = label_lines(file, label)
    if not lines:
        return None
    return told(file, label, lines, read.figures_of([file.rows[line] for line in lines], label))


def _show(
    classifier: QueryClassifier, files: Sequence[File], routing: list[RoutingFigures], labels: list[LabelFigures]
) -> None:
    print(f"classifier {classifier.version}, {len(classifier.manifest.models)} models")
    for file in files:
        print("\n".join([f"{file.name}: {len(file.rows)} queries", *(f"  {note}" for note in file.notes)]))
    for table in [*map(routing_table, routing), *map(label_table, labels)]:
        print(f"\n{table}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train.evaluate", description=(__doc__ or "").split(": ", 1)[-1])
    add = parser.add_argument
    add("--artifact", type=Path, required=True, metavar="FOLDER", help="what training made")
    add("--outcomes", type=Path, required=True, nargs="+", metavar="FILE", help="JSONL of outcomes, labels, or both")
    add("--weak", metavar="MODEL", help="compare two models only: the one that costs less")
    add("--strong", metavar="MODEL", help="and the one that is better")
    add("--knn", type=Path, nargs="+", default=[], metavar="FILE", help="outcomes that the kNN learns from")
    add("--json", type=Path, metavar="FILE", help="write all figures and curves there")
    add("--plot", type=Path, metavar="FILE", help=f"draw the curves there: {', '.join(PICTURES)}")
    options = parser.parse_args(arguments)
    if bool(options.weak) != bool(options.strong) or (options.weak and options.weak == options.strong):
        parser.error("--weak and --strong name two different models, both or none")
    if options.plot and options.plot.suffix not in PICTURES:
        parser.error(f"--plot: {options.plot} does not end in one of {', '.join(PICTURES)}")
    for path in filter(None, (options.json, options.plot)):
        if not path.parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}; make it first")
    return options


if __name__ == "__main__":
    sys.exit(main())
