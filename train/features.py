"""What the classifier reads of each text, as arrays: the encoder's outputs and the text inputs."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.artifacts.llama import llama_path
from app.artifacts.minilm import DIMENSIONS, POOLED, minilm_path
from app.classifier.inputs import TEXT_INPUTS, packed, stacked, unpacked
from app.memory.embedder import MiniLMEmbedder
from app.paths import project_path
from app.routing.features import TextFeaturesReader

Array32 = NDArray[np.float32]
BATCH = 32


@dataclass(frozen=True, slots=True)
class Features:
    """A line a text: `vectors` (n, 384) of unit length, `pooled` (n, POOLED), `text` (n, TEXT_INPUTS)."""

    vectors: Array32
    pooled: Array32
    text: Array32

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, lines: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Self:
        return type(self)(self.vectors[lines], self.pooled[lines], self.text[lines])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        if not parts:
            shapes = ((0, DIMENSIONS), (0, POOLED), (0, TEXT_INPUTS))
            return cls(*(np.empty(shape, np.float32) for shape in shapes))
        names = ("vectors", "pooled", "text")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class FeatureReader:
    """The same parts that serve, one text after the other on one thread, rounded as on the way between deployments.

    Raises ConfigError without model files.
    """

    def __init__(self) -> None:
        self._embedder = MiniLMEmbedder(minilm_path())
        config = project_path("configs/text_features.yaml")
        self._text = TextFeaturesReader.from_files(llama_path() / "tokenizer.json", config)

    def read(self, texts: Sequence[str]) -> Features:
        vectors, pooled = self._embedder.read(texts)
        return Features(vectors, unpacked(packed(pooled)), stacked(texts, [self._text.read(text) for text in texts]))


def read_features(texts: Sequence[str], threads: int | None = None, *, progress: bool = True) -> Features:
    """Some 10 ms a text and thread; as many threads as there are cores when not given."""
    reader = FeatureReader()
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    bar = tqdm(total=len(texts), desc="reading texts", unit="text", disable=not progress)
    with bar, ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        parts = []
        for part in pool.map(reader.read, batches):
            parts.append(part)
            bar.update(len(part))
    return Features.joined(parts)
