"""What a policy is worth: means of quality, cost and latency that a bootstrap can draw again."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from train.metrics import Array
from train.replayed.traffic import Bools

NAMES = ("quality", "cost_usd", "latency_ms")


class Value:
    """`quality` 0 to 1, `cost_usd` and `latency_ms` of a query: each the sum of numerators over that of denominators.

    A figure whose denominators are all 0 is NaN.
    """

    names = NAMES

    def __init__(self, table: Array) -> None:
        """(n, 6): numerators of the three figures, then denominators."""
        self.table = table

    @classmethod
    def of(cls, numerators: Sequence[Array], denominators: Sequence[Array]) -> Self:
        """Three each, (n,)."""
        return cls(np.column_stack([*numerators, *denominators]).astype(np.float64))

    def __getitem__(self, lines: Bools) -> Self:
        return type(self)(self.table[lines])

    def figures(self, means: Array) -> Array:
        below = means[..., 3:]
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Array = np.where(below > 0, means[..., :3] / below, np.nan)
        return found


class Change:
    """What `candidate` has more than `live` on the same lines: `quality`, `cost_usd`, `latency_ms`.

    `quality_kept` is the share of the live quality that the candidate has, `cost_saved` the share of the live cost that
    it does without. NaN where the live one has none.
    """

    names = (*NAMES, "quality_kept", "cost_saved")

    def __init__(self, candidate: Value, live: Value) -> None:
        self.table = np.hstack([candidate.table, live.table])
        self._value = candidate

    def figures(self, means: Array) -> Array:
        candidate, live = self._value.figures(means[..., :6]), self._value.figures(means[..., 6:])
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(live > 0, candidate / live, np.nan)
        return np.concatenate([candidate - live, share[..., :1], 1 - share[..., 1:2]], axis=-1)


def pooled(values: Sequence[Value], *, same_lines: bool) -> Value:
    """Of several tiers: the mean of each line when all saw the same queries, else one after the other."""
    tables = [value.table for value in values]
    return Value(np.mean(tables, axis=0) if same_lines else np.vstack(tables))
