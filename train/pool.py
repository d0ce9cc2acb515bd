"""Rows as matrices: a line a row, a column a model."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from train.errors import DataError
from train.rows import ModelOutcome, Row

Matrix = NDArray[np.float32]


def pool(rows: Sequence[Row], min_outcomes: int) -> list[str]:
    """The models with at least `min_outcomes` outcomes, by name. Raises DataError when there is none."""
    counts = Counter(model for row in rows for model in row.outcomes)
    models = sorted(model for model, count in counts.items() if count >= min_outcomes)
    if not models:
        most = ", ".join(f"{model} has {count}" for model, count in counts.most_common(3)) or "there is none at all"
        raise DataError(f"no model has {min_outcomes} outcomes: {most}; add data with outcomes, or ask for fewer")
    return models


def complete(rows: Sequence[Row], models: Sequence[str]) -> list[Row]:
    """The rows with an outcome of every model: those on which models can be compared."""
    return [row for row in rows if all(model in row.outcomes for model in models)]


def scores(rows: Sequence[Row], models: Sequence[str]) -> Matrix:
    """Shape (rows, models), 0 to 1, NaN where a model has no outcome."""
    return _matrix(rows, models, lambda outcome: outcome.score)


def costs(rows: Sequence[Row], models: Sequence[str]) -> Matrix:
    """Shape (rows, models), USD, NaN where the cost is not known."""
    return _matrix(rows, models, lambda outcome: outcome.cost_usd)


def input_tokens(rows: Sequence[Row], models: Sequence[str]) -> Matrix:
    """Shape (rows, models), tokens of the prompt as each model counts them, NaN where they are not known."""
    return _matrix(rows, models, lambda outcome: outcome.in_tokens)


def output_tokens(rows: Sequence[Row], models: Sequence[str]) -> Matrix:
    """Shape (rows, models), tokens of the answer, NaN where they are not known."""
    return _matrix(rows, models, lambda outcome: outcome.out_tokens)


def _matrix(rows: Sequence[Row], models: Sequence[str], value: Callable[[ModelOutcome], float | None]) -> Matrix:
    matrix = np.full((len(rows), len(models)), np.nan, np.float32)
    columns = {model: column for column, model in enumerate(models)}
    for line, row in enumerate(rows):
        for model, outcome in row.outcomes.items():
            if model in columns and (known := value(outcome)) is not None:
                matrix[line, columns[model]] = known
    return matrix
