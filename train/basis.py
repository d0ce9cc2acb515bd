"""The hidden layer of the heads: how much a query resembles each of some landmark queries of the training data.

A Gaussian kernel machine in its Nystroem form (Williams and Seeger 2001): features of a query are its kernel values to
the landmarks, decorrelated. A linear model on them is a kernel machine, and is convex to train.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from train.features import Array32, Features

LANDMARKS, RANK, DIRECTIONS = 2000, 512, 256
GAMMA = 0.03  # of exp(-gamma d^2), with inputs scaled as below; found on folds of the shared data
POOLED_NORM, TEXT_SCALE, CLIP = 5.0, 0.4, 4.0
SMALLEST = 1e-3  # added to the eigenvalues
CONSTANT = 1e-6  # an input that varies less says nothing
BATCH = 2048


@dataclass(frozen=True, slots=True)
class Projection:
    """What distances are measured on. `mean` and `scale` (d,) standardise the inputs, the encoder's layers first;
    `directions` (POOLED, p) are the principal ones of the layers.
    """

    mean: Array32
    scale: Array32
    directions: Array32

    @classmethod
    def fit(cls, features: Features) -> Self:
        inputs = np.hstack([features.pooled, features.text])
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        pooled = features.pooled.shape[1]
        scale = np.where(deviation > CONSTANT, 1 / np.maximum(deviation, CONSTANT), 0.0).astype(np.float32)
        scale[:pooled] *= POOLED_NORM / np.sqrt(pooled)
        layers = ((features.pooled - mean[:pooled]) * scale[:pooled]).astype(np.float64)
        directions = np.linalg.eigh(layers.T @ layers)[1][:, : -DIRECTIONS - 1 : -1]
        return cls(mean, scale, directions.astype(np.float32))

    def __call__(self, features: Features) -> Array32:
        """(n, p + TEXT_INPUTS)."""
        pooled = len(self.directions)
        layers = (features.pooled - self.mean[:pooled]) * self.scale[:pooled] @ self.directions
        text = (features.text - self.mean[pooled:]) * self.scale[pooled:]
        return np.hstack([layers, np.clip(text, -CLIP, CLIP) * TEXT_SCALE]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Basis:
    """`landmarks` (m, p + TEXT_INPUTS) are projected queries; `whitening` (m, r) decorrelates the kernel values."""

    projection: Projection
    landmarks: Array32
    whitening: Array32

    @classmethod
    def fit(cls, features: Features, sources: Sequence[str], seed: int) -> Self:
        """Landmarks are drawn without replacement, a source by the square root of its rows, so small ones are heard."""
        projection = Projection.fit(features)
        landmarks = projection(features[_draw(sources, seed)])
        values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks).astype(np.float64))
        whitening = vectors[:, -RANK:] / np.sqrt(np.maximum(values[-RANK:], 0) + SMALLEST)
        return cls(projection, landmarks, whitening.astype(np.float32))

    def __call__(self, features: Features) -> Array32:
        """(n, r)."""
        parts = []
        for start in range(0, len(features), BATCH):
            inputs = self.projection(features[start : start + BATCH])
            parts.append(_kernel(inputs, self.landmarks) @ self.whitening)
        return np.concatenate(parts) if parts else np.empty((0, self.whitening.shape[1]), np.float32)


def _draw(sources: Sequence[str], seed: int) -> NDArray[np.int64]:
    _, which, counts = np.unique(np.array(sources), return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[which])
    size = min(LANDMARKS, len(sources))
    return np.sort(np.random.default_rng(seed).choice(len(sources), size, replace=False, p=weights / weights.sum()))


def _kernel(one: Array32, other: Array32) -> Array32:
    squared = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    kernel: Array32 = np.exp(-GAMMA * np.maximum(squared, 0))
    return kernel
