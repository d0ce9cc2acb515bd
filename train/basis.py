"""The hidden layer of the heads: how much a query resembles each of some landmark queries of the training data.

A Gaussian kernel machine in its Nystroem form (Williams and Seeger 2001): features of a query are its kernel values to
the landmarks, decorrelated. A linear model on them is a kernel machine, and is convex to train.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from train.features import Array32, Features

LANDMARKS, RANK, DIRECTIONS = 2000, 512, 256
GAMMA = 0.03  # of exp(-gamma d^2), with inputs scaled as below; found on folds of the shared data
POOLED_NORM, TEXT_SCALE, CLIP = 5.0, 0.4, 4.0
SMALLEST = 1e-3  # added to the eigenvalues


@dataclass(frozen=True, slots=True)
class Basis:
    """`mean` and `scale` (d,) standardise the inputs, pooled layers first; `projection` (POOLED, p) are the principal
    directions of the layers; `landmarks` (m, p + TEXT_INPUTS); `whitening` (m, r).
    """

    mean: Array32
    scale: Array32
    projection: Array32
    landmarks: Array32
    whitening: Array32

    @classmethod
    def fit(cls, features: Features, sources: Sequence[str], seed: int) -> Self:
        """Landmarks are drawn without replacement, a source by the square root of its rows, so small ones are heard."""
        inputs = np.hstack([features.pooled, features.text])
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        pooled = features.pooled.shape[1]
        scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0)
        scale[:pooled] *= POOLED_NORM / np.sqrt(pooled)
        layers = (features.pooled - mean[:pooled]) * scale[:pooled]
        directions = np.linalg.eigh(layers.T.astype(np.float64) @ layers)[1][:, ::-1][:, :DIRECTIONS]
        basis = cls(
            *(array.astype(np.float32) for array in (mean, scale, directions)), np.empty((0, 0), np.float32), mean
        )
        chosen = _draw(sources, seed)
        landmarks = basis.inputs(features[chosen])
        values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks).astype(np.float64))
        values, vectors = values[-RANK:], vectors[:, -RANK:]
        whitening = (vectors / np.sqrt(np.maximum(values, 0) + SMALLEST)).astype(np.float32)
        return cls(basis.mean, basis.scale, basis.projection, landmarks, whitening)

    def inputs(self, features: Features) -> Array32:
        """What distances are measured on, (n, p + TEXT_INPUTS)."""
        pooled = len(self.projection)
        layers = (features.pooled - self.mean[:pooled]) * self.scale[:pooled] @ self.projection
        text = (features.text - self.mean[pooled:]) * self.scale[pooled:]
        return np.hstack([layers, np.clip(text, -CLIP, CLIP) * TEXT_SCALE]).astype(np.float32)

    def __call__(self, features: Features) -> Array32:
        """(n, r)."""
        hidden: Array32 = _kernel(self.inputs(features), self.landmarks) @ self.whitening
        return hidden


def _draw(sources: Sequence[str], seed: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    _, which, counts = np.unique(np.array(sources), return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[which])
    size = min(LANDMARKS, len(sources))
    return np.sort(np.random.default_rng(seed).choice(len(sources), size, replace=False, p=weights / weights.sum()))


def _kernel(one: Array32, other: Array32) -> Array32:
    squared = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    kernel: Array32 = np.exp(-GAMMA * np.maximum(squared, 0))
    return kernel
