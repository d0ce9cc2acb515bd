"""How long a model's answer will be: a linear model of ln(tokens) on the hidden features of the classifier."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.classifier.model import SHORTEST
from train.baselines import Ridge
from train.features import Array32
from train.metrics import Array

PENALTIES = (1.0, 3.0, 10.0, 30.0)  # times |weights|^2
FEW = 50  # answers of known length; a model with fewer is not learnt
NOTHING = -20.0  # e^-20 tokens: below what counts as known


@dataclass(frozen=True, slots=True)
class Lengths:
    """tokens = exp(hidden @ weight + bias), `weight` (r, m), `bias` (m,). The bias holds what makes the mean of the
    predicted tokens that of the known ones: the exponential of a mean logarithm is too small. `r2` is the share of the
    variance of ln(tokens) that was explained on rows not trained on, over all models; NaN without any.
    """

    weight: Array32
    bias: Array32
    r2: float = float("nan")

    @classmethod
    def none(cls, rank: int, models: int) -> Self:
        return cls(np.zeros((rank, models), np.float32), np.full(models, NOTHING, np.float32))

    @classmethod
    def fit(cls, hidden: Array32, tokens: Array32, held_out: NDArray[np.bool_]) -> Self:
        """`hidden` (n, r); `tokens` (n, m), NaN where unknown; `held_out` (n,) bool: rows that choose the penalty."""
        known = np.where(tokens >= 1, tokens, np.nan).astype(np.float64)
        nothing = cls.none(hidden.shape[1], tokens.shape[1])
        out = np.asarray(held_out, np.bool_)
        models = np.flatnonzero((~np.isnan(known[~out])).sum(axis=0) >= FEW)
        if not len(models):
            return nothing
        inputs, target = hidden.astype(np.float64), np.log(known[:, models])
        errors = [_error(Ridge.fit(inputs[~out], target[~out], one), inputs[out], target[out]) for one in PENALTIES]
        learnt = Ridge.fit(inputs, target, PENALTIES[int(np.argmin(errors))])
        predicted = np.exp(learnt.predict(inputs))
        mean = np.where(np.isnan(target), np.nan, predicted)
        shift = np.log(np.nanmean(known[:, models], axis=0) / np.nanmean(mean, axis=0))
        nothing.weight[:, models] = learnt.weights
        nothing.bias[models] = learnt.intercept + shift
        return cls(nothing.weight, nothing.bias, 1 - min(errors))

    @property
    def learnt(self) -> int:
        """Of how many models."""
        return int((self.bias > np.log(SHORTEST)).sum())


def _error(learnt: Ridge, inputs: Array, target: Array) -> float:
    """Squared error over that of each model's own mean; 1 when there is nothing to measure."""
    known = ~np.isnan(target)
    if not known.any():
        return 1.0
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, target, 0.0).sum(axis=0) / counts
    left = np.where(known, target - learnt.predict(inputs), 0.0)
    spread = np.where(known, target - mean, 0.0)
    return float((left**2).sum() / max((spread**2).sum(), 1e-12))
