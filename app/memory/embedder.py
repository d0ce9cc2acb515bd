"""Sentence embeddings: all-MiniLM-L6-v2 on ONNX Runtime, 8-bit."""

from collections.abc import Sequence
from pathlib import Path

import numpy
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tokenizers import Tokenizer

from app.artifacts.minilm import DIMENSIONS, MINILM_ONNX, POOLED
from app.errors import ConfigError

Vectors = NDArray[numpy.float32]

OUTPUTS = ("embedding", "pooled")
MAX_WORD_PIECES = 256  # the model's own limit: it was trained on no more


class MiniLMEmbedder:
    """Turns texts into unit vectors, so that a dot product is a cosine. Safe to call from several threads.

    `folder` is what `ensure_minilm` made. `threads` work on one text; they sleep between calls, as other replicas
    want the cores.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        graph = folder / MINILM_ONNX
        if not graph.is_file():
            raise ConfigError(f"{graph}: there is no such file; run `make models`")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_WORD_PIECES)
        self._tokenizer.no_padding()
        self._session = onnxruntime.InferenceSession(graph, session_options(threads), ["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(texts), 384)."""
        return self.read(texts)[0]

    def read(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Unit vectors (len(texts), 384), and the means of the middle layers (len(texts), POOLED).

        What follows the first 256 word pieces of a text is not read.

        Texts run one by one. In a common run they would share one activation scale, so that a vector depended on
        its neighbours (cosine 0.986 to its own self at worst), and it would not be faster: measured at one thread,
        equal for texts of equal length, up to four times slower for mixed lengths, because of the padding.
        """
        vectors = numpy.empty((len(texts), DIMENSIONS), numpy.float32)
        pooled = numpy.empty((len(texts), POOLED), numpy.float32)
        for row, text in enumerate(self._tokenizer.encode_batch_fast(list(texts))):
            ids = numpy.array([text.ids], numpy.int64)
            found = self._session.run(OUTPUTS, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})
            vectors[row], pooled[row] = found[0][0], found[1][0]
        return vectors, pooled


def session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
