"""The figures that fit each file: complexity, APGR of two models, AIQ of models with costs, else the choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from train.bootstrap import Interval, intervals
from train.compared.examples import Examples
from train.evaluation.classes import label_lines, told
from train.evaluation.contenders import predicting
from train.evaluation.routing import metrics_of
from train.evaluation.sets import File, RoutingSet
from train.features import Array32
from train.metrics import Array
from train.questions import normalised
from train.rows import Row

SHOWN = {"apgr": "APGR", "aiq": "AIQ", "quality": "quality of the choice"}


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured on: files with a complexity, and sets of outcomes. `lines` are those of the examples by
    question, `models` those of the targets.
    """

    labelled: tuple[File, ...]
    routing: tuple[RoutingSet, ...]
    models: tuple[str, ...]

    def figures(self, examples: Examples, predicted: Array32, held: NDArray[np.bool_]) -> dict[str, Interval]:
        """By what they are of. `predicted` (n, columns of the targets) is looked at where `held` (n,) only."""
        asked = {normalised(row.query): line for line, row in enumerate(examples.rows) if held[line]}
        levels = examples.levels(predicted) if self.labelled else predicted
        found = {}
        for file in self.labelled:
            lines = [line for line in label_lines(file, "complexity") if normalised(file.rows[line].query) in asked]
            if lines:
                rows = [file.rows[line] for line in lines]
                values = levels[_at(asked, rows)].astype(np.float64)
                found[f"{file.name}: accuracy"] = told(file, "complexity", lines, values).figures["accuracy"]
        for routing in self.routing:
            some = _only(routing, [normalised(row.query) in asked for row in routing.rows])
            if some.rows:
                first = examples.targets.spans["success"][0]
                columns = [first + self.models.index(model) for model in some.models]
                success = predicted[_at(asked, some.rows)][:, columns].astype(np.float64)
                found |= {f"{some.name}: {name}": one for name, one in _routing(some, success).items()}
        return found


def _routing(routing: RoutingSet, success: Array) -> dict[str, Interval]:
    """The quality of the choice only where nothing else fits."""
    figures: dict[str, Interval] = {}
    for metric in metrics_of(routing, predicting("", routing, success)).values():
        figures |= intervals(metric)
    names = [name for name in SHOWN if name in figures and name != "quality"] or ["quality"]
    return {SHOWN[name]: figures[name] for name in names}


def _at(asked: Mapping[str, int], rows: Sequence[Row]) -> NDArray[np.int64]:
    return np.array([asked[normalised(row.query)] for row in rows], np.int64)


def _only(routing: RoutingSet, keep: Sequence[bool]) -> RoutingSet:
    """These lines of the set. Where the strong model is not the better one on them, there is no pair."""
    lines = np.flatnonzero(keep)
    scores = routing.scores[lines]
    gap = routing.pair is not None and len(lines) and np.diff(scores.mean(axis=0)[list(routing.pair)]).item() > 0
    return replace(
        routing,
        rows=tuple(routing.rows[line] for line in lines.tolist()),
        scores=scores,
        costs=routing.costs[lines],
        pair=routing.pair if gap else None,
    )
