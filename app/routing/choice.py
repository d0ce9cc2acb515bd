"""Scores and choices on arrays: a line a query, a column a candidate. What serves and what replays both use these."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.routing.weights import Weights

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

NEUTRAL = 0.5  # what an unknown factor counts as: neither for nor against


def blended(expected: Array | float, recalled: Array | float, sample_size: Array | float, strength: float) -> Array:
    """P(success) from what is expected of a model and what the memory recalls of it, all of one shape.

    (strength * expected + sample_size * recalled) / (strength + sample_size): the mean of a Beta posterior whose prior
    has the weight of `strength` neighbours. Where the sample is empty, `recalled` may be anything.
    """
    found: Array = (strength * expected + sample_size * np.where(sample_size > 0, recalled, 0.0)) / (
        strength + sample_size
    )
    return found


def lower_is_better(values: Array) -> Array:
    """Min-max over the known values of a line: the lowest becomes 1, the highest 0; all 1 when there is no spread."""
    known = ~np.isnan(values)
    low = np.where(known, values, np.inf).min(axis=-1, keepdims=True)
    spread = np.where(known, values, -np.inf).max(axis=-1, keepdims=True) - low
    with np.errstate(invalid="ignore"):
        found: Array = np.where(known, 1 - (values - low) / np.where(spread > 0, spread, 1.0), np.nan)
    return found


def score(factors: Mapping[str, Array], weights: Weights) -> Array:
    """sum(w_f * v_f) / sum(w_f) over the factors f, each value v_f 0 to 1, higher is better; NaN when unknown."""
    shares = {name: getattr(weights, name) for name in factors}
    total = sum(shares[name] * np.where(np.isnan(values), NEUTRAL, values) for name, values in factors.items())
    found: Array = np.asarray(total / sum(shares.values()), np.float64)
    return found


def order(score: Array, quality: Array, cost_usd: Array, floor: Array | float) -> Indices:
    """The columns of each line, the best first: by score, equal ones in their own order.

    `floor`, one for all lines or (lines, 1): where it is above 0, the columns whose quality reaches it come first, the
    cheapest of them before the others, an unknown cost after the known ones; then the rest by quality. -inf as a score
    marks what is no candidate: it comes last.
    """
    floor = np.broadcast_to(np.asarray(floor, np.float64), score.shape)
    out, asked = np.isneginf(score), floor > 0
    reaching = quality >= floor
    group = np.where(out, 2, np.where(asked & ~reaching, 1, 0))
    price = np.where(np.isnan(cost_usd), np.inf, cost_usd)
    key = np.where(asked, np.where(reaching, price, -quality), -score)
    found: Indices = np.lexsort((-score, key, group), axis=-1)
    return found


def cheapness(costs_usd: Array, scale_usd: Array | float) -> Array:
    """1 - (cost - least cost of the line) / scale: 1 for the cheapest, below 0 for one over `scale` dearer.

    `scale_usd`, one or (lines, 1), is what the dearest costs more than the cheapest for a usual query. A spread of each
    query's own would make a cent as dear in a long query as a hundredth of it in a short one: measured on folds of
    RouterBench and MMLU-Pro it gave away what predicting the cost gains (AIQ 0.849 to 0.845, 0.697 to 0.693).
    """
    known = ~np.isnan(costs_usd)
    low = np.where(known, costs_usd, np.inf).min(axis=-1, keepdims=True)
    scale = np.asarray(scale_usd, np.float64)
    with np.errstate(invalid="ignore"):
        spread = np.where(known, costs_usd, -np.inf).max(axis=-1, keepdims=True) - low
        scale = np.where(scale > 0, scale, np.where(spread > 0, spread, 1.0))
        found: Array = np.where(known, 1 - (costs_usd - low) / scale, np.nan)
    return found
