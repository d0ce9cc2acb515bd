from pathlib import Path

import numpy
import pytest

from app.artifacts.minilm import ensure_minilm
from app.errors import ConfigError
from app.memory.embedder import DIMENSIONS, MiniLMEmbedder
from tests.app.memory.texts import varied_texts


@pytest.fixture(scope="module")
def folder() -> Path:
    return ensure_minilm()


@pytest.fixture(scope="module")
def embedder(folder: Path) -> MiniLMEmbedder:
    return MiniLMEmbedder(folder)


def test_a_missing_model_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.int8\.onnx: there is no such file; run `make models`"):
        MiniLMEmbedder(tmp_path)


@pytest.mark.integration
def test_vectors_have_unit_length(embedder: MiniLMEmbedder) -> None:
    vectors = embedder.embed(["", "hello", "word " * 5000, "日本語 🙂"])

    assert vectors.shape == (4, DIMENSIONS)
    assert vectors.dtype == numpy.float32
    assert numpy.linalg.norm(vectors, axis=1) == pytest.approx(numpy.ones(4), abs=1e-5)


@pytest.mark.integration
def test_no_texts_give_no_vectors(embedder: MiniLMEmbedder) -> None:
    assert embedder.embed([]).shape == (0, DIMENSIONS)


@pytest.mark.integration
def test_a_vector_does_not_depend_on_the_other_texts(embedder: MiniLMEmbedder) -> None:
    texts = varied_texts()[::20]

    together = embedder.embed(texts)
    alone = numpy.concatenate([embedder.embed([text]) for text in texts])

    numpy.testing.assert_array_equal(together, alone)


@pytest.mark.integration
def test_text_after_256_word_pieces_is_not_read(embedder: MiniLMEmbedder) -> None:
    read = "word " * 254  # and [CLS] and [SEP]

    first, second = embedder.embed([read, read + "parrot"])

    numpy.testing.assert_array_equal(first, second)


@pytest.mark.integration
def test_more_threads_give_the_same_vectors(folder: Path, embedder: MiniLMEmbedder) -> None:
    texts = varied_texts()[::10]

    assert MiniLMEmbedder(folder, threads=2).embed(texts) == pytest.approx(embedder.embed(texts), abs=1e-5)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")  # the reference implementation's own
def test_vectors_agree_with_sentence_transformers(folder: Path, embedder: MiniLMEmbedder) -> None:
    from sentence_transformers import SentenceTransformer

    texts = varied_texts()
    exact = SentenceTransformer(str(folder), device="cpu").encode(texts)

    cosines = (embedder.embed(texts) * exact).sum(axis=1)

    assert len(set(texts)) == 200
    assert cosines.mean() >= 0.98
    assert cosines.min() >= 0.95
