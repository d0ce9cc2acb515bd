"""How far a figure could have come out otherwise with other queries of the same kind: bootstrap, percentile method.

Efron and Tibshirani 1993, chapter 13: queries are drawn with replacement, and the figure of each draw is computed.
"""

from dataclasses import dataclass

import numpy as np

from train.errors import DataError
from train.metrics import Array, Metric, measure

DRAWS = 1000
BATCH = 64  # draws at once: 64 x 15,000 queries are 8 MB
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure on all queries, and the bounds of its 95 % interval. A bound is NaN where the figure has none there."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def intervals(metric: Metric, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """The figures of a metric, by name. The same seed and number of queries draw the same queries."""
    drawn = metric.figures(_means(metric.table, draws, seed))
    return _intervals(measure(metric), drawn)


def differences(one: Metric, other: Metric, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """`one` minus `other`, which measure the same figures on the same queries, line by line. Raises DataError if not.

    Both are measured on the same draws: what makes a draw easy for both cancels out.
    """
    if len(one.table) != len(other.table) or tuple(one.names) != tuple(other.names):
        raise DataError(
            f"{len(one.table)} queries with {', '.join(one.names)} cannot be compared with "
            f"{len(other.table)} with {', '.join(other.names)}"
        )
    values, others = measure(one), measure(other)
    drawn = one.figures(_means(one.table, draws, seed)) - other.figures(_means(other.table, draws, seed))
    return _intervals({name: value - others[name] for name, value in values.items()}, drawn)


def _means(table: Array, draws: int, seed: int) -> Array:
    """The column means of each draw, (draws, columns): a draw weighs each line by how often it came."""
    rng, n = np.random.default_rng(seed), len(table)
    means = np.empty((draws, table.shape[1]))
    for start in range(0, draws, BATCH):
        size = min(BATCH, draws - start)
        lines = rng.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(lines.ravel(), minlength=size * n).reshape(size, n)
        means[start : start + size] = counts.astype(np.float64) @ table / n
    return means


def _intervals(values: dict[str, float], drawn: Array) -> dict[str, Interval]:
    """A draw without the figure counts as the lowest, so that the lower bound says when there may be none."""
    ranked = np.where(np.isnan(drawn), -np.inf, drawn)
    low, high = np.quantile(ranked, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0, method="inverted_cdf")
    bounds = np.where(np.isinf([low, high]), np.nan, [low, high])
    return {
        name: Interval(value, *bound) for (name, value), bound in zip(values.items(), bounds.T.tolist(), strict=True)
    }
