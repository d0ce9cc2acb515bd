"""The command line of training."""

import argparse
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from train.dataset import Source
from train.errors import DataError


def read_arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Ends the process with status 2 on what makes no sense."""
    args = _parser().parse_args(given)
    for name in ("workers", "cpus_per_worker", "min_outcomes"):
        if not 0 < getattr(args, name) < math.inf:
            _parser().error(f"--{name.replace('_', '-')} {getattr(args, name)}: has to be above 0")
    args.output = args.output.resolve()
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.train_classifier",
        description="Learns from outcomes and labels who can answer what. Goes on where a killed run stopped.",
    )
    add = parser.add_argument
    add("--data", nargs="+", default=[], metavar="FILE[=WEIGHT]", help="JSONL; rows count WEIGHT times, usually 1")
    add("--database", metavar="URL", help="rated and failed requests of a router, as DATABASE_URL")
    add("--since", metavar="DATE", help="of the database: only requests made since, ISO 8601")
    add("--output", type=Path, required=True, metavar="DIR", help="replaced when it holds a classifier")
    add("--min-outcomes", type=int, default=50, help="models with fewer get no head (default: 50)")
    add("--workers", type=int, default=1, help="of Ray Train (default: 1)")
    add("--cpus-per-worker", type=float, default=1.0, help="booked with Ray (default: 1; less beside a served router)")
    add("--use-gpu", action="store_true", help="a GPU for each worker")
    add("--seed", type=int, default=7)
    return parser


def sources(given: Sequence[str]) -> list[Source]:
    """Raises DataError for a weight that is none."""
    return [_source(one) for one in given]


def since(given: str | None) -> datetime | None:
    """A date without a zone is taken as UTC. Raises DataError for what is no date."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise DataError(f"--since {given}: is no date; write it like 2026-11-01") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _source(given: str) -> Source:
    path, separator, weight = given.rpartition("=")
    if not separator or Path(given).exists():
        return Source(Path(given))
    try:
        return Source(Path(path), float(weight))
    except ValueError as error:
        raise DataError(f"--data {given}: {weight!r} is no number; write FILE=WEIGHT") from error
