"""Sentence embeddings: all-MiniLM-L6-v2 on ONNX Runtime, 8-bit."""

from collections.abc import Sequence
from pathlib import Path

import numpy
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tokenizers import Tokenizer

from app.artifacts.minilm import MINILM_ONNX
from app.errors import ConfigError

Vectors = NDArray[numpy.float32]

DIMENSIONS = 384
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
        self._session = onnxruntime.InferenceSession(graph, _options(threads), ["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), 384). What follows the first 256 word pieces of a text is not read.

        Texts run one by one. In a common run they would share one activation scale, so that a vector depended on
        its neighbours (cosine 0.986 to its own self at worst), and it would not be faster: measured at one thread,
        equal for texts of equal length, up to four times slower for mixed lengths, because of the padding.
        """
        vectors = numpy.empty((len(texts), DIMENSIONS), numpy.float32)
        for row, text in enumerate(self._tokenizer.encode_batch_fast(list(texts))):
            ids = numpy.array([text.ids], numpy.int64)
            vectors[row] = self._session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})[0][0]
        return vectors


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
