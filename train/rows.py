"""The nouns of training data: a row, what models scored on it, and what was skipped on the way."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain import Complexity, Domain

PLACES = 5  # remembered for each reason


@dataclass(frozen=True, slots=True)
class ModelOutcome:
    """How well a model answered a query, 0 to 1. None: not known."""

    score: float
    cost_usd: float | None = None
    in_tokens: int | None = None
    out_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A query and what is known of it: any of domain, complexity and outcomes by model.

    `scale` is the source whose scale the complexity is on. `weight` says how much the row counts in training, against
    1.
    """

    id: str
    source: str
    query: str
    domain: Domain | None = None
    complexity: Complexity | None = None
    outcomes: Mapping[str, ModelOutcome] = field(default_factory=dict)
    scale: str | None = None
    weight: float = 1.0


class Faults:
    """What was skipped: `counts` by reason, and the first few `places` of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.places: dict[str, list[str]] = {}

    def add(self, reason: str, place: str, count: int = 1) -> None:
        self.counts[reason] += count
        places = self.places.setdefault(reason, [])
        if len(places) < PLACES:
            places.append(place)

    def update(self, other: "Faults") -> None:
        self.counts.update(other.counts)
        for reason, places in other.places.items():
            mine = self.places.setdefault(reason, [])
            mine.extend(places[: PLACES - len(mine)])

    def __str__(self) -> str:
        """A line for each reason, the commonest first."""
        return "\n".join(
            f"{count} skipped: {reason} ({'; '.join(self.places[reason])}{'; ...' if count > PLACES else ''})"
            for reason, count in self.counts.most_common()
        )
