"""How well labels are told apart: complexity, domain."""

from collections.abc import Sequence

import numpy as np

from train.errors import DataError
from train.metrics import Array, Indices

PER_CLASS = ("precision", "recall", "f1")


class Labels:
    """`accuracy`, 0 to 1; `macro_f1`, the mean F1 of the classes that occur; then precision, recall and F1 of each
    class, named like `f1 coding`. Precision of a class never predicted, and recall of one that does not occur, is NaN.
    """

    def __init__(self, truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> None:
        """`truth` and `predicted` (n,) are of `classes`. Raises DataError."""
        if len(truth) != len(predicted) or not len(truth):
            raise DataError(f"{len(truth)} labels and {len(predicted)} predictions: these must be as many, and some")
        self.classes = tuple(classes)
        self.names = ("accuracy", "macro_f1", *(f"{name} {one}" for name in PER_CLASS for one in self.classes))
        cells = self._columns(truth) * len(self.classes) + self._columns(predicted)
        self.table = (cells[:, None] == np.arange(len(self.classes) ** 2)).astype(np.float64)

    def confusion(self) -> Indices:
        """Counts, shape (classes, classes): lines are the truth, columns the predictions."""
        counts: Indices = self.table.sum(axis=0).reshape(len(self.classes), -1).astype(np.int64)
        return counts

    def figures(self, means: Array) -> Array:
        cells = means.reshape(*means.shape[:-1], len(self.classes), len(self.classes))
        right, actual, predicted = np.diagonal(cells, axis1=-2, axis2=-1), cells.sum(axis=-1), cells.sum(axis=-2)
        with np.errstate(invalid="ignore"):
            precision, recall, f1 = right / predicted, right / actual, 2 * right / (actual + predicted)
        occurs = ~np.isnan(f1)
        macro = np.where(occurs, f1, 0).sum(axis=-1) / occurs.sum(axis=-1)
        return np.concatenate([np.stack([right.sum(axis=-1), macro], axis=-1), precision, recall, f1], axis=-1)

    def _columns(self, labels: Sequence[str]) -> Indices:
        unknown = set(labels) - set(self.classes)
        if unknown:
            raise DataError(
                f"{', '.join(sorted(map(str, unknown)))}: not a class; the classes are {', '.join(self.classes)}"
            )
        return np.array([self.classes.index(label) for label in labels], np.int64)
