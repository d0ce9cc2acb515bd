"""The rows that learners are compared on: what they read, what they learn, and on which fold each row is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from train.dataset import mix
from train.errors import DataError
from train.evaluation.sets import File
from train.features import Array32, Features, read_features
from train.questions import fold
from train.rows import Row
from train.targets import Head, Targets, targets

LEARNT = ("complexity", "scale", "success")


@dataclass(frozen=True, slots=True)
class Examples:
    """A line a row, each another question. `targets` hold the complexity on its scale, if any row has one, and
    P(success), if there are models.
    """

    rows: tuple[Row, ...]
    features: Features
    targets: Targets

    @classmethod
    def read(cls, files: Sequence[File], models: Sequence[str]) -> Self:
        """All files together. Raises DataError when there is nothing to learn, ConfigError without model files."""
        rows = mix([row for file in files for row in file.rows]).rows
        learnt = _restricted(targets(rows, models))
        if not learnt.heads:
            raise DataError("the files have neither a complexity nor outcomes: there is nothing to compare on")
        return cls(rows, read_features([row.query for row in rows]), learnt)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, lines: NDArray[np.int64]) -> Self:
        return replace(
            self,
            rows=tuple(self.rows[line] for line in lines.tolist()),
            features=self.features[lines],
            targets=replace(self.targets, values=self.targets.values[lines], weights=self.targets.weights[lines]),
        )

    def levels(self, predicted: Array32) -> Array32:
        """P(level) (n, 3) from the columns of the targets (n, k): mixed by whose scale a query is on, as what ships."""
        start, stop = self.targets.spans["complexity"]
        first, last = self.targets.spans["scale"]
        on_scale = predicted[:, start:stop].reshape(len(predicted), last - first, -1)
        levels: Array32 = (predicted[:, first:last, None] * on_scale).sum(axis=1)
        return levels

    @property
    def texts(self) -> list[str]:
        return [row.query for row in self.rows]

    def folds(self, count: int, seed: int) -> NDArray[np.int64]:
        """(n,) 0 to count - 1; another seed gives folds across these."""
        return np.array([fold(row.query, count, seed) for row in self.rows], np.int64)


Predictor = Callable[[Sequence[str], Features], Array32]
"""Something learnt: texts and their features to figures, (n, columns of the targets)."""


class Learner(Protocol):
    """`frozen`: it reads the features of the encoder that serves; otherwise it has an encoder of its own."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def frozen(self) -> bool: ...
    def fit(self, examples: Examples) -> Predictor: ...


def _restricted(every: Targets) -> Targets:
    """Without what is not compared, and without a head that no row has a target for."""
    heads, spans, blocks, width = [], {}, [], 0
    for name in LEARNT:
        start, stop = every.spans[name]
        block = every.values[:, start:stop]
        if block.size == 0 or np.isnan(block).all():
            continue
        heads += [_moved(head, width - start) for head in every.heads if head.name == name]
        spans[name] = (width, width + stop - start)
        width += stop - start
        blocks.append(block)
    values = np.hstack(blocks) if blocks else np.empty((len(every.values), 0), np.float32)
    return replace(every, heads=tuple(heads), spans=spans, values=values)


def _moved(head: Head, by: int) -> Head:
    return replace(head, columns=tuple(column + by for column in head.columns))
