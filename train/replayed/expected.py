"""What a query was expected to cost, as far as that could be known before it was answered."""

from collections.abc import Sequence

import numpy as np

from app.classifier.model import SHORTEST
from train.metrics import Array, Indices
from train.pool import costs, input_tokens, output_tokens
from train.questions import fold
from train.rows import Row

FOLDS = 10
EXACT = 0.02  # of the costs: what prices may be off by, all in all


def expected_costs(rows: Sequence[Row], models: Sequence[str], predicted: Array) -> tuple[Array, Array]:
    """USD (n, m), NaN where no cost of a model is known, and its prices (m, 2), USD for a token of input and output.

    `predicted` (n, m) are lengths of answers in tokens, below `SHORTEST` where not known. Then, and where costs do not
    come from prices, the mean of the rows of other folds stands in: nothing is taken from the row itself.
    """
    paid, asked = costs(rows, models).astype(np.float64), input_tokens(rows, models).astype(np.float64)
    answered = output_tokens(rows, models).astype(np.float64)
    sides = np.array([fold(row.query, FOLDS) for row in rows])
    prices = np.array([_prices(paid[:, at], asked[:, at], answered[:, at]) for at in range(len(models))])
    lengths = np.where(predicted >= SHORTEST, predicted, _of_others(answered, sides))
    by_price = asked * prices[:, 0] + lengths * prices[:, 1]
    return np.where(np.isnan(by_price), _of_others(paid, sides), by_price), prices


def _prices(paid: Array, asked: Array, answered: Array) -> Array:
    """Least squares; NaN when the costs of this model are not made of two prices."""
    known = ~np.isnan(paid + asked + answered)
    if not known.any():
        return np.full(2, np.nan)
    tokens = np.column_stack([asked[known], answered[known]])
    found: Array = np.linalg.lstsq(tokens, paid[known])[0]
    off = np.abs(tokens @ found - paid[known]).sum() > EXACT * paid[known].sum()
    return np.full(2, np.nan) if off or (found < -1e-12).any() else np.maximum(found, 0.0)


def _of_others(values: Array, sides: Indices) -> Array:
    """For each line the column means of the lines on other sides; NaN where these are not known."""
    known = ~np.isnan(values)
    sums, counts = np.where(known, values, 0.0), known.astype(np.float64)
    total, number = sums.sum(axis=0), counts.sum(axis=0)
    found = np.full(values.shape, np.nan)
    for side in np.unique(sides):
        held = sides == side
        others = number - counts[held].sum(axis=0)
        mean = np.where(others > 0, (total - sums[held].sum(axis=0)) / np.maximum(others, 1), np.nan)
        found[held] = mean
    return found
