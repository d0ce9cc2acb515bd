"""What is known of a query when its candidates are scored."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import Embedding, Prediction


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A past query close to this one. `similarity` is a cosine; `success` is 0 to 1; `age_s` in seconds."""

    model: str
    similarity: float
    success: float
    age_s: float


@dataclass(frozen=True, slots=True)
class Hint:
    """A rule that matched without being certain: the models it prefers get the hint factor."""

    rule: str
    models: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the stages found out about a query; a stage that took no part leaves None."""

    embedding: Embedding | None = None
    prediction: Prediction | None = None
    neighbours: Sequence[Neighbour] | None = None
