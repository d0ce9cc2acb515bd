"""The files and the classifier of an evaluation, and what the encoder and the classifier make of each text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.classifier.model import QueryClassifier
from train.features import Array32, read_features
from train.metrics import Array
from train.rows import Row

BATCH = 1024


@dataclass(frozen=True, slots=True)
class Read:
    """A line a text. `figures` are the outputs of the classifier by name, see QueryClassifier.figures."""

    lines: Mapping[str, int]
    vectors: Array32
    figures: Mapping[str, Array32]

    @classmethod
    def of(cls, rows: Iterable[Row], classifier: QueryClassifier) -> Self:
        """Each text once. Raises ConfigError without model files."""
        texts = list(dict.fromkeys(row.query for row in rows))
        features = read_features(texts)
        parts = [
            classifier.figures(features.pooled[start : start + BATCH], features.text[start : start + BATCH])
            for start in range(0, len(texts), BATCH)
        ]
        figures = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return cls({text: line for line, text in enumerate(texts)}, features.vectors, figures)

    def vectors_of(self, rows: Sequence[Row]) -> Array32:
        return self.vectors[self._at(rows)]

    def figures_of(self, rows: Sequence[Row], name: str) -> Array:
        """(rows, columns)."""
        return self.figures[name][self._at(rows)].astype(np.float64)

    def _at(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        return np.array([self.lines[row.query] for row in rows], np.int64)
