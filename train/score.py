"""python -m train.score: what a classifier says of each query in a file.

Input: a JSON object a line, `{"id", "query"}`. Output: a line for each,
`{"id", "complexity": {level: p}, "difficulty", "domain": {label: p}, "success": {model: p}}`.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.classifier.model import QueryClassifier
from app.domain import Prediction
from app.errors import ConfigError
from train.errors import DataError
from train.features import read_features
from train.files import BrokenRowError, json_object, numbered_lines, query_of
from train.rows import Faults

DIGITS = 6


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        classifier = QueryClassifier(args.artifact, threads=os.cpu_count() or 1)
        models = _models(classifier, args.models)
        queries, faults = read_queries(args.input)
        written = _write(args.output, score(classifier, queries, models))
    except ConfigError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    print(f"{written} queries scored by classifier {classifier.version}")
    if faults.counts:
        print(faults, file=sys.stderr)
    return 0


def score(classifier: QueryClassifier, queries: Sequence[tuple[Any, str]], models: Sequence[str]) -> Iterator[Any]:
    """An output row for each (id, query)."""
    features = read_features([query for _, query in queries])
    predictions = classifier.predict(features.pooled, features.text)
    for (id_, _), prediction in zip(queries, predictions, strict=True):
        yield _row(id_, prediction, models)


def read_queries(path: Path) -> tuple[list[tuple[Any, str]], Faults]:
    """(id, query) a line; lines without a usable query are counted in the faults. DataError if none is left."""
    queries, faults = [], Faults()
    for number, line in numbered_lines(path):
        try:
            record = json_object(line)
            queries.append((record.get("id", f"{path.stem}:{number}"), query_of(record)))
        except BrokenRowError as broken:
            faults.add(broken.reason, f"{path}:{number}" + (f": {broken.detail}" if broken.detail else ""))
    if not queries:
        raise DataError(f"{path}: has no query to score\n{faults}".rstrip())
    return queries, faults


def _row(id_: Any, prediction: Prediction, models: Sequence[str]) -> dict[str, Any]:
    return {
        "id": id_,
        "complexity": _rounded(prediction.levels),
        "difficulty": round(prediction.complexity, DIGITS),
        "domain": _rounded(prediction.domains),
        "success": {model: round(prediction.success[model], DIGITS) for model in models},
    }


def _rounded(values: Any) -> dict[str, float]:
    return {str(key): round(value, DIGITS) for key, value in values.items()}


def _models(classifier: QueryClassifier, wanted: str | None) -> Sequence[str]:
    known = classifier.manifest.models
    if wanted is None:
        return known
    models = [model.strip() for model in wanted.split(",") if model.strip()]
    if unknown := [model for model in models if model not in known]:
        raise ConfigError(f"--models: {', '.join(unknown)}: not in the classifier; it knows {', '.join(known)}")
    return models


def _write(path: Path, rows: Iterator[Any]) -> int:
    """Beside the file first, then in its place."""
    part = path.with_name(f".{path.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8") as file:
            for count, row in enumerate(rows, 1):  # noqa: B007
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); check the folder and its disk") from error
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.score", description=__doc__.splitlines()[0])
    parser.add_argument("--artifact", type=Path, required=True, help="folder of a trained classifier")
    parser.add_argument("--input", type=Path, required=True, help="JSONL file of {id, query}")
    parser.add_argument("--output", type=Path, required=True, help="JSONL file to write")
    parser.add_argument("--models", help="a comma-separated part of the classifier's models; default: all")
    return parser


if __name__ == "__main__":
    sys.exit(main())
