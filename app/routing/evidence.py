"""What is known of a query when its candidates are scored."""

from dataclasses import dataclass

from app.domain import Embedding, Prediction, Recollection


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
    recollection: Recollection | None = None
