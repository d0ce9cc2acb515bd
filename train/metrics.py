"""What a figure is made of, and the figures of single choices and of probabilities.

A metric is a table with a line a query, and figures that depend on the table only through the means of its columns.
So a bootstrap draws queries by weighing lines, all draws at once: see bootstrap.py.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from train.errors import DataError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
BINS = 15


class Metric(Protocol):
    """`table` has shape (queries, columns). `figures` turns means (..., columns) into figures (..., names).

    A figure that does not exist is NaN.
    """

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def table(self) -> Array: ...
    def figures(self, means: Array) -> Array: ...


def measure(metric: Metric) -> dict[str, float]:
    """The figures on all queries, by name."""
    return dict(zip(metric.names, metric.figures(metric.table.mean(axis=0)).tolist(), strict=True))


class Chosen:
    """`quality`: the mean score, 0 to 1, of the models chosen; with scores of 0 and 1 it is the accuracy."""

    names = ("quality",)

    def __init__(self, choice: ArrayLike, scores: ArrayLike) -> None:
        """`choice` (n,): columns of `scores` (n, m)."""
        known = checked("scores", scores, (None, None))
        picked = columns("choice", choice, len(known), known.shape[1])
        self.table = known[np.arange(len(known)), picked][:, None]

    def figures(self, means: Array) -> Array:
        return means


class Agreement:
    """`agreement`: the share of queries whose model stays the same when they are put in other words, 0 to 1.

    `largest_share` is the share of the model chosen most often, in both wordings together: at 1 a single model is in
    use, and agreement says nothing.
    """

    names = ("agreement", "largest_share")

    def __init__(self, choice: ArrayLike, paraphrased: ArrayLike, models: int) -> None:
        """`choice` and `paraphrased` (n,): what was chosen for a query and for its paraphrase, each below `models`."""
        one = columns("choice", choice, None, models)
        other = columns("choice for paraphrases", paraphrased, len(one), models)
        every = np.arange(models)
        used = ((one[:, None] == every).astype(np.float64) + (other[:, None] == every)) / 2
        self.table = np.column_stack([one == other, used])

    def figures(self, means: Array) -> Array:
        return np.stack([means[..., 0], means[..., 1:].max(axis=-1)], axis=-1)


class Calibration:
    """Whether P(success) is what it says.

    `ece`: sum over 15 bins of equal width of (share of the predictions in the bin) x |mean prediction - mean score|, 0
    to 1 (Naeini et al. 2015; Guo et al. 2017, 1706.04599). `brier`: mean squared difference of prediction and score,
    0 to 1 (Brier 1950). All models together.
    """

    names = ("ece", "brier")

    def __init__(self, predicted: ArrayLike, scores: ArrayLike) -> None:
        """Both (n,) or (n, m), 0 to 1; a score may be NaN, which leaves its prediction out."""
        actual = np.asarray(scores, np.float64)
        known = ~np.isnan(actual)
        probability = checked("predicted probabilities", predicted, actual.shape, most=1)
        actual = checked("scores", np.where(known, actual, 0), actual.shape, most=1)
        if not known.any():
            raise DataError("no score is known: there is nothing to calibrate against")
        n = len(actual)
        error = np.where(known, probability - actual, 0).reshape(n, -1)
        bins = np.minimum(probability * BINS, BINS - 1).astype(np.int64).reshape(n, -1)
        parts = [np.where(bins == one, error, 0).sum(axis=1) for one in range(BINS)]
        self.table = np.column_stack([*parts, (error**2).sum(axis=1), known.reshape(n, -1).sum(axis=1)])

    def figures(self, means: Array) -> Array:
        with np.errstate(invalid="ignore"):
            ece = np.abs(means[..., :BINS]).sum(axis=-1) / means[..., -1]
            return np.stack([ece, means[..., -2] / means[..., -1]], axis=-1)


def checked(name: str, given: ArrayLike, shape: Sequence[int | None], most: float = np.inf, least: float = 0) -> Array:
    """`given` as float64 of that shape (None: any length but 0). Raises DataError for another, for NaN and outliers."""
    array = np.asarray(given, np.float64)
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        wanted = " x ".join("any" if want is None else str(want) for want in shape)
        raise DataError(f"{name}: the shape is {' x '.join(map(str, array.shape))}, not {wanted}")
    if array.size == 0:
        raise DataError(f"{name}: there are none")
    if unknown := int(np.isnan(array).sum()):
        raise DataError(f"{name}: {unknown} of {array.size} are NaN; keep the rows where all are known")
    if (array < least).any() or (array > most).any() or np.isinf(array).any():
        raise DataError(f"{name}: from {array.min():g} to {array.max():g}, outside {least:g} to {most:g}")
    return array


def columns(name: str, given: ArrayLike, queries: int | None, models: int) -> Indices:
    """`given` as column indices below `models`. Raises DataError."""
    array = checked(name, given, (queries,), most=models - 1)
    if (array != np.floor(array)).any():
        raise DataError(f"{name}: must be columns of models, which are whole numbers")
    return array.astype(np.int64)
