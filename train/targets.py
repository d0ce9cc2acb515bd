"""What the heads learn of each row, as one matrix: a column an output, NaN where a row says nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.domain import Complexity, Domain
from train.features import Array32
from train.pool import scores
from train.rows import Row

LEVELS = {Complexity.SIMPLE: 0.15, Complexity.MEDIUM: 0.5, Complexity.COMPLEX: 0.85}
"""The difficulty of a row that has a label but no outcomes: what share of models to expect to fail."""


SCALE_ROWS = 50  # with labels, that make a scale of its own
OTHER = "other"


class Kind(StrEnum):
    """How the columns of a head become figures from 0 to 1."""

    ONE_OF = "one_of"  # softmax
    EACH = "each"  # sigmoid


KINDS = {"scale": Kind.ONE_OF, "difficulty": Kind.EACH, "domain": Kind.ONE_OF}


@dataclass(frozen=True, slots=True)
class Head:
    """Columns that share a penalty. `name` is an output of the graph."""

    name: str
    kind: Kind
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Targets:
    """`values` (n, columns), whose `spans` are those of complexity, scale, difficulty, domain, success and support.

    complexity has three columns for each of the `scales`, scale says whose a query is on; success and support have a
    column a model. `weights` (n,) of the rows.
    """

    heads: tuple[Head, ...]
    scales: tuple[str, ...]
    spans: Mapping[str, tuple[int, int]]
    values: Array32
    weights: Array32


def targets(rows: Sequence[Row], models: Sequence[str]) -> Targets:
    """Difficulty is the share of models that failed where several are known, else that of the label."""
    success = scores(rows, models)
    known = ~np.isnan(success)
    scales, levels, scale = _complexity(rows)
    blocks = {
        "complexity": levels,
        "scale": scale,
        "difficulty": _difficulty(rows)[:, None],
        "domain": _one_hot([row.domain for row in rows], tuple(Domain)),
        "success": success,
        "support": known.astype(np.float32),
    }
    ends = np.cumsum([0, *(block.shape[1] for block in blocks.values())]).tolist()
    spans = dict(zip(blocks, pairwise(ends), strict=True))
    heads = [
        *(Head("complexity", Kind.ONE_OF, tuple(range(3 * i, 3 * i + 3))) for i in range(len(scales))),
        *(Head(name, kind, tuple(range(*spans[name]))) for name, kind in KINDS.items()),
        *(Head("success", Kind.EACH, tuple(spans["success"][0] + i for i in group)) for group in _same_rows(known)),
    ]
    if models:
        heads.append(Head("support", Kind.EACH, tuple(range(*spans["support"]))))
    weights = np.array([row.weight for row in rows], np.float32)
    return Targets(tuple(heads), scales, spans, np.hstack(list(blocks.values())).astype(np.float32), weights)


def _complexity(rows: Sequence[Row]) -> tuple[tuple[str, ...], Array32, Array32]:
    """The scales, the levels on each, and which one a row is on. Scales of few rows are one together, OTHER."""
    counts = Counter(row.scale for row in rows if row.scale is not None)
    named = sorted(scale for scale, count in counts.items() if count >= SCALE_ROWS)
    scales = (*named, OTHER) if len(named) < len(counts) or not named else tuple(named)
    levels = np.full((len(rows), len(scales), len(Complexity)), np.nan, np.float32)
    for line, row in enumerate(rows):
        if row.complexity is not None:
            mine = scales.index(row.scale if row.scale in named else OTHER)
            levels[line, mine] = [row.complexity is level for level in Complexity]
    on = (~np.isnan(levels[:, :, 0])).astype(np.float32)
    on[on.sum(axis=1) == 0] = np.nan
    return scales, levels.reshape(len(rows), -1), on


def _difficulty(rows: Sequence[Row]) -> Array32:
    values = np.full(len(rows), np.nan, np.float32)
    for line, row in enumerate(rows):
        if len(row.outcomes) > 1:
            values[line] = 1 - sum(outcome.score for outcome in row.outcomes.values()) / len(row.outcomes)
        elif row.complexity is not None:
            values[line] = LEVELS[row.complexity]
    return values


def _one_hot(labels: Sequence[Complexity | None] | Sequence[Domain | None], known: Sequence[str]) -> Array32:
    values = np.full((len(labels), len(known)), np.nan, np.float32)
    for line, label in enumerate(labels):
        if label is not None:
            values[line] = 0
            values[line, known.index(label)] = 1
    return values


def _same_rows(known: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Models with outcomes on the same rows form a group: their heads need the same penalty."""
    groups: dict[bytes, list[int]] = {}
    for model in range(known.shape[1]):
        groups.setdefault(known[:, model].tobytes(), []).append(model)
    return [tuple(group) for group in groups.values()]
