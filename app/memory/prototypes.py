"""Domains by example: a query belongs where the example queries that it resembles belong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import numpy
from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.domain import Domain
from app.memory.embedder import Vectors
from app.yaml_file import read_yaml

NEAREST = 3  # examples that count; more blur a domain into its mean, fewer follow a single odd example

Examples = Mapping[Domain, Sequence[str]]


class Embedder(Protocol):
    def embed(self, texts: Sequence[str]) -> Vectors: ...


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    examples: dict[Domain, Annotated[list[str], Field(min_length=NEAREST)]]

    @field_validator("examples")
    @classmethod
    def _is_complete(cls, examples: dict[Domain, list[str]]) -> dict[Domain, list[str]]:
        missing = set(Domain) - set(examples)
        if missing:
            raise ValueError(f"no examples of {', '.join(sorted(missing))}")
        return examples


def read_examples(path: Path) -> Examples:
    """configs/domain_prototypes.yaml. Raises ConfigError: each domain needs at least 3 examples."""
    return read_yaml(path, _File).examples


class DomainPrototypes:
    def __init__(self, embedder: Embedder, examples: Examples) -> None:
        self._examples = {domain: embedder.embed(texts) for domain, texts in examples.items()}

    def similarities(self, vectors: Vectors) -> list[dict[Domain, float]]:
        """For each row of `vectors` (n, 384): the mean cosine to the three nearest examples of each domain, -1 to 1."""
        columns = {domain: _nearest(vectors @ known.T) for domain, known in self._examples.items()}
        return [{domain: float(column[row]) for domain, column in columns.items()} for row in range(len(vectors))]


def _nearest(cosines: Vectors) -> Vectors:
    mean: Vectors = numpy.sort(cosines, axis=1)[:, -NEAREST:].mean(axis=1)
    return mean
