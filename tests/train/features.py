"""Features without model files, for tests: random, the same for the same text."""

from collections.abc import Sequence

import numpy as np

from app.artifacts.minilm import DIMENSIONS, POOLED
from app.classifier.inputs import TEXT_INPUTS
from train.features import Features


def read_features(texts: Sequence[str]) -> Features:
    seeds = [np.random.default_rng(list(text.encode())) for text in texts]
    lines = np.array([seed.normal(0, 0.3, DIMENSIONS + POOLED + TEXT_INPUTS) for seed in seeds], np.float32)
    lines = lines.reshape(len(texts), DIMENSIONS + POOLED + TEXT_INPUTS)
    vectors, pooled, text = np.split(lines, [DIMENSIONS, DIMENSIONS + POOLED], axis=1)
    return Features(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), pooled, text)


class FeatureReader:
    def read(self, texts: Sequence[str]) -> Features:
        return read_features(texts)
