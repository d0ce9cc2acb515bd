"""What a classifier has to beat: choices without learning, neighbours, and a ridge regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from train.errors import DataError
from train.metrics import Array, checked

Features = NDArray[np.float32]
VECTOR_SCALE = 5.0  # of unit vectors, against text features of unit variance x 0.5: what measured best
TEXT_SCALE = 0.5
BATCH = 1024


def oracle(scores: ArrayLike) -> Array:
    """The scores themselves as predictions: with the true costs in a sweep, no policy is better."""
    return checked("scores", scores, (None, None))


def random_predictions(queries: int, models: int, seed: int = 0) -> Array:
    """Predictions that know nothing, (queries, models), 0 to 1."""
    return np.random.default_rng(seed).random((queries, models))


def query_length(texts: Sequence[str]) -> Array:
    """Characters of each text, (n,): longer is taken to be harder."""
    return np.array([len(text) for text in texts], np.float64)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Embeddings x 5 beside text features x 0.5, these standardised by the mean and deviation of the training rows."""

    mean: Array
    deviation: Array

    @classmethod
    def fit(cls, text: Features) -> Self:
        deviation = text.std(axis=0, dtype=np.float64)
        return cls(text.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0))

    def __call__(self, vectors: Features, text: Features) -> Array:
        """(n, 384) and (n, 9) to (n, 393)."""
        return np.hstack([vectors * VECTOR_SCALE, (text - self.mean) / self.deviation * TEXT_SCALE])


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The mean score of each model over the k nearest training rows by cosine, of those where it is known."""

    vectors: Features
    scores: Array
    k: int

    @classmethod
    def fit(cls, vectors: Features, scores: ArrayLike, k: int = 80) -> Self:
        """`vectors` (n, d) of unit length; `scores` (n, m), NaN where unknown. Raises DataError."""
        return cls(vectors, _known(scores, len(vectors)), min(k, len(vectors)))

    def predict(self, vectors: Features) -> Array:
        """(n, d) to (n, m). A model that none of the neighbours knows gets its mean over all rows."""
        usual = np.nanmean(self.scores, axis=0)
        known, total = ~np.isnan(self.scores), np.nan_to_num(self.scores)
        parts = []
        for start in range(0, len(vectors), BATCH):
            cosines = vectors[start : start + BATCH] @ self.vectors.T
            nearest = np.argpartition(-cosines, self.k - 1, axis=1)[:, : self.k]
            counts, sums = known[nearest].sum(axis=1), total[nearest].sum(axis=1)
            parts.append(np.where(counts > 0, sums / np.maximum(counts, 1), usual))
        return np.concatenate(parts) if parts else np.empty((0, self.scores.shape[1]))


@dataclass(frozen=True, slots=True)
class Ridge:
    """A linear regression a model, with alpha x |weights|^2 added to the squared errors; the intercept is free."""

    weights: Array
    intercept: Array

    @classmethod
    def fit(cls, inputs: Array, scores: ArrayLike, alpha: float = 1000.0) -> Self:
        """`inputs` (n, d); `scores` (n, m), NaN where unknown: a model learns from its own rows. Raises DataError."""
        known = _known(scores, len(inputs))
        present = ~np.isnan(known)
        patterns, which = np.unique(present, axis=1, return_inverse=True)
        weights, intercept = np.empty((inputs.shape[1], known.shape[1])), np.empty(known.shape[1])
        for pattern in range(patterns.shape[1]):  # models with the same rows share the expensive part
            models, lines = np.flatnonzero(which.ravel() == pattern), patterns[:, pattern]
            x, y = inputs[lines], known[np.ix_(lines, models)]
            x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
            x = x - x_mean
            weights[:, models] = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ (y - y_mean))
            intercept[models] = y_mean - x_mean @ weights[:, models]
        return cls(weights, intercept)

    def predict(self, inputs: Array) -> Array:
        """(n, d) to (n, m); not confined to 0 to 1."""
        return inputs @ self.weights + self.intercept


def _known(scores: ArrayLike, lines: int) -> Array:
    known = np.asarray(scores, np.float64)
    if known.ndim != 2 or len(known) != lines or not lines:
        raise DataError(f"scores: the shape is {known.shape}, which does not fit {lines} rows")
    if nobody := np.flatnonzero(np.isnan(known).all(axis=0)).tolist():
        raise DataError(f"scores: no outcome of the models in columns {nobody}; leave them out of the pool")
    return known
