"""Sources mixed into one set of rows, a row a question, and split so that no question is on both sides."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from train.errors import DataError
from train.files import read_rows
from train.merge import merged
from train.questions import SEED, fold, normalised
from train.rows import Faults, Row


@dataclass(frozen=True, slots=True)
class Source:
    """A file. Each of its rows counts `weight` times as much in training as one of weight 1."""

    path: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise DataError(f"{self.path}: weight {self.weight} is not above 0; leave the file out, or give a weight")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the data. `read` counts rows before questions were merged, `by_source` by the first source.

    `contradicted` counts what merged rows disagreed on, by kind: domain, complexity, score.
    """

    read: int
    rows: int
    contradicted: Counter[str]
    skipped: Faults
    by_source: Counter[str]
    by_model: Counter[str]
    by_domain: Counter[str]
    by_complexity: Counter[str]

    def __str__(self) -> str:
        lines = [f"{self.rows} questions of {self.read} rows"]
        if self.contradicted.total():
            lines.append(f"contradicted by other rows: {_shown(self.contradicted)}")
        counts = {"source": self.by_source, "domain": self.by_domain, "complexity": self.by_complexity}
        counts["model"] = self.by_model
        lines += [f"by {name}: {_shown(counter)}" for name, counter in counts.items() if counter]
        return "\n".join([*lines, str(self.skipped)] if self.skipped.counts else lines)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows, each of another question, in the order in which they were read."""

    rows: tuple[Row, ...]
    report: Report

    def split(self, folds: int = 10, held_out: int = 0, seed: int = SEED) -> tuple[list[Row], list[Row]]:
        """The rows to train on, and those of fold `held_out`, 0 to folds - 1. Raises DataError when a side is empty."""
        if not 0 <= held_out < folds:
            raise DataError(f"there is no fold {held_out} of {folds}; the first is 0, the last is {folds - 1}")
        sides: tuple[list[Row], list[Row]] = ([], [])
        for row in self.rows:
            sides[fold(row.query, folds, seed) == held_out].append(row)
        if not all(sides):
            raise DataError(f"{len(self.rows)} rows leave a side empty at fold {held_out} of {folds}; add rows")
        return sides


def load(sources: Sequence[Source]) -> Dataset:
    """Raises DataError when there is no source, or a source has no usable row."""
    return mix(*read(sources))


def read(sources: Sequence[Source]) -> tuple[list[Row], Faults]:
    """The rows of all sources with their weights, and what was skipped. Raises DataError for one without a row."""
    rows, faults = [], Faults()
    for source in sources:
        more, skipped = read_rows(source.path)
        rows += [replace(row, weight=source.weight) for row in more]
        faults.update(skipped)
    return rows, faults


def mix(rows: Sequence[Row], skipped: Faults | None = None) -> Dataset:
    """Merges the rows of a question; where they contradict each other, the earlier one holds. `skipped` is reported.

    Raises DataError when there are no rows.
    """
    if not rows:
        raise DataError("there are no rows to learn from; name at least one data file")
    questions: dict[str, list[Row]] = {}
    for row in rows:
        questions.setdefault(normalised(row.query), []).append(row)
    contradicted: Counter[str] = Counter()
    mixed = []
    for same in questions.values():
        row, more = merged(same)
        mixed.append(row)
        contradicted.update(more)
    return Dataset(tuple(mixed), _report(len(rows), mixed, contradicted, skipped or Faults()))


def _report(read: int, rows: Sequence[Row], contradicted: Counter[str], skipped: Faults) -> Report:
    return Report(
        read=read,
        rows=len(rows),
        contradicted=contradicted,
        skipped=skipped,
        by_source=Counter(row.source for row in rows),
        by_model=Counter(model for row in rows for model in row.outcomes),
        by_domain=Counter(str(row.domain) for row in rows if row.domain),
        by_complexity=Counter(str(row.complexity) for row in rows if row.complexity),
    )


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common() if count)
