"""The comparison as Markdown and as JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from train.bootstrap import Interval
from train.compared.examples import Examples
from train.compared.figures import Measures
from train.compared.folds import Run
from train.evaluation.tables import cell


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of learners, all on the same `queries` rows of the same folds."""

    folds: tuple[int, ...]
    queries: int
    lines: tuple[tuple[Run, Mapping[str, Interval]], ...]


def sections(runs: Sequence[Run], examples: Examples, measures: Measures) -> list[Section]:
    """One for each choice of folds: the runs that have these folds or more, looked at on these alone."""
    found = []
    for folds in sorted({run.folds for run in runs}, key=len, reverse=True):
        some = [run for run in runs if set(folds) <= set(run.folds)]
        held = np.isin(some[0].where, folds)
        lines = tuple((run, measures.figures(examples, run.predicted, held)) for run in some)
        found.append(Section(folds, int(held.sum()), lines))
    return found


def table(section: Section) -> str:
    """Markdown."""
    names = list(dict.fromkeys(name for _, figures in section.lines for name in figures))
    head = ["learner", *names, "s to train", "ms a query"]
    rows = [
        [run.learner.about, *(cell(figures.get(name)) for name in names), f"{run.train_s:.0f}", f"{run.query_ms:.1f}"]
        for run, figures in section.lines
    ]
    title = f"{section.queries} queries of fold{'s' * (len(section.folds) > 1)} {', '.join(map(str, section.folds))}"
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([title, "", *(f"| {' | '.join(line)} |" for line in lines)])


def document(found: Sequence[Section]) -> list[dict[str, Any]]:
    """A figure that does not exist is null."""
    return [
        {
            "folds": list(section.folds),
            "queries": section.queries,
            "learners": {run.learner.name: _line(run, figures) for run, figures in section.lines},
        }
        for section in found
    ]


def _line(run: Run, figures: Mapping[str, Interval]) -> dict[str, Any]:
    shown = {
        name: {key: None if math.isnan(value) else value for key, value in asdict(interval).items()}
        for name, interval in figures.items()
    }
    return {"about": run.learner.about, "figures": shown, "train_s": run.train_s, "query_ms": run.query_ms}
