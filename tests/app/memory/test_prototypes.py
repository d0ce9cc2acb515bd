from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest

from app.artifacts.minilm import ensure_minilm
from app.domain import Domain
from app.errors import ConfigError
from app.memory.embedder import MiniLMEmbedder, Vectors
from app.memory.prototypes import DomainPrototypes, read_examples

CONFIG = Path("configs/domain_prototypes.yaml")


class Compass:
    """Two-dimensional vectors by the points of the compass."""

    _POINTS = {"north": (0, 1), "east": (1, 0), "south": (0, -1)}  # noqa: RUF012

    def embed(self, texts: Sequence[str]) -> Vectors:
        return numpy.array([self._POINTS[text] for text in texts], numpy.float32)


def test_a_similarity_is_the_mean_of_the_three_nearest_examples() -> None:
    examples = {Domain.MATH: ["north", "north", "north", "south"], Domain.CODING: ["east", "east", "north"]}
    prototypes = DomainPrototypes(Compass(), examples)

    (similarities,) = prototypes.similarities(Compass().embed(["north"]))

    assert similarities == pytest.approx({Domain.MATH: 1, Domain.CODING: 1 / 3})


def test_every_domain_has_examples_and_none_is_used_twice() -> None:
    examples = read_examples(CONFIG)
    texts = [text for domain in Domain for text in examples[domain]]

    assert all(len(examples[domain]) >= 15 for domain in Domain)
    assert len(texts) == len(set(texts))


def test_a_file_without_a_domain_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prototypes.yaml"
    path.write_text("examples: {math: [a, b, c]}")

    with pytest.raises(ConfigError, match="no examples of analytical, business, coding"):
        read_examples(path)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("query", "domain"),
    [
        ("My unit test fails with a NullPointerException in the constructor", Domain.CODING),
        ("Differentiate cos(3x) with respect to x", Domain.MATH),
        ("Is my cough a sign of pneumonia?", Domain.HEALTH),
        ("How do I write an invoice for a client abroad?", Domain.BUSINESS),
        ("Write a sonnet about an unlucky pirate", Domain.CREATIVE),
        ("Why did the Ottoman Empire collapse?", Domain.HUMANITIES),
        ("Why do metals conduct heat better than wood?", Domain.SCIENCE),
        ("hello, how are you today", Domain.GENERAL),
    ],
)
def test_plain_queries_lie_closest_to_their_domain(
    query: str, domain: Domain, prototypes: DomainPrototypes, embedder: MiniLMEmbedder
) -> None:
    (similarities,) = prototypes.similarities(embedder.embed([query]))

    assert max(similarities, key=similarities.__getitem__) is domain


@pytest.fixture(scope="module")
def embedder() -> MiniLMEmbedder:
    return MiniLMEmbedder(ensure_minilm())


@pytest.fixture(scope="module")
def prototypes(embedder: MiniLMEmbedder) -> DomainPrototypes:
    return DomainPrototypes(embedder, read_examples(CONFIG))
