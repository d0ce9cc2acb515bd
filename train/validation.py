"""How good the heads are on rows that they were not trained on."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.domain import Complexity, Domain
from train.features import Array32
from train.labels import Labels
from train.metrics import Calibration, measure
from train.rows import Row


def validate(found: Mapping[str, Array32], rows: Sequence[Row], success: Array32) -> dict[str, float]:
    """`found` as `Heads.figures` for `rows`; `success` (n, models) with NaN where unknown. Figures that do not exist
    for these rows are left out.
    """
    figures: dict[str, float] = {}
    for name, labels, known in (
        ("complexity", [row.complexity for row in rows], tuple(Complexity)),
        ("domain", [row.domain for row in rows], tuple(Domain)),
    ):
        lines = [line for line, label in enumerate(labels) if label is not None]
        if lines:
            truth = [str(labels[line]) for line in lines]
            said = [known[at] for at in found[name][lines].argmax(axis=1)]
            figures[f"{name}_accuracy"] = measure(Labels(truth, said, known))["accuracy"]
    if not np.isnan(success).all():
        figures |= {f"success_{name}": value for name, value in measure(Calibration(found["success"], success)).items()}
        figures["quality_of_choice"], figures["quality_of_best_single"] = _choice(found["success"], success)
    return figures


def _choice(predicted: Array32, success: Array32) -> tuple[float, float]:
    """The mean score of the model with the greatest P(success) of those with an outcome, and of the one that is best
    by its mean score wherever it has outcomes: each row's first known choice.
    """
    lines = np.flatnonzero((~np.isnan(success)).sum(axis=1) > 1)
    if not len(lines):
        return float("nan"), float("nan")
    known = ~np.isnan(success[lines])
    chosen = np.where(known, predicted[lines], -np.inf).argmax(axis=1)
    average = np.nan_to_num(np.nanmean(np.where(known, success[lines], np.nan), axis=0), nan=-1)
    single = np.where(known, average, -np.inf).argmax(axis=1)
    every = np.arange(len(lines))
    return float(success[lines][every, chosen].mean()), float(success[lines][every, single].mean())
