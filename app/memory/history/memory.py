"""A past query as it is remembered: its embedding, whose it was, and how models did on it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

Metadata = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PastOutcome:
    """How a model did on a query.

    `success` is 0 to 1, None when nobody has judged it; `certainty`, 0 to 1, says how sure that is.
    """

    model: str
    success: float | None = None
    certainty: float = 1.0
    cost_usd: float | None = None
    latency_ms: float | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """`at` is when the query came, Unix time. `vector` is its embedding: unit length, float32, 384 numbers.

    A rating judges the answer of the model `answered_by`; None: no model answered.
    """

    request_id: str
    tenant: str
    user_id: str
    at: float
    outcomes: tuple[PastOutcome, ...]
    answered_by: str | None = None
    vector: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Rating:
    """What a user thinks of the answer to a request: `success`, 0 to 1."""

    tenant: str
    request_id: str
    success: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A past query that resembles another one: cosine -1 to 1, age in seconds."""

    similarity: float
    age_s: float
    outcomes: tuple[PastOutcome, ...]


def owner(tenant: str, user_id: str) -> str:
    """Whose a memory is; no tenant has a slash in its name."""
    return f"{tenant}/{user_id}"


def to_metadata(memory: Memory) -> Metadata:
    """Two keys, as Chroma reads a row for each, which is most of a lookup: all but the owner is one text of JSON."""
    known = [{name: value for name, value in asdict(one).items() if value is not None} for one in memory.outcomes]
    told = {"at": memory.at, "answered_by": memory.answered_by, "outcomes": known}
    return {"owner": owner(memory.tenant, memory.user_id), "told": orjson.dumps(told).decode()}


def rated(metadata: Mapping[str, Any], success: float) -> Metadata:
    """The metadata of a memory whose answer was judged; as it is when no model answered."""
    told = orjson.loads(metadata["told"])
    for outcome in told["outcomes"]:
        if outcome["model"] == told["answered_by"]:
            outcome |= {"success": success, "certainty": 1.0}
    return {"told": orjson.dumps(told).decode()}


def neighbour(metadata: Mapping[str, Any], similarity: float, now: float) -> Neighbour:
    """`now` is Unix time, as `at` is."""
    told = orjson.loads(metadata["told"])
    return Neighbour(similarity, max(0.0, now - told["at"]), tuple(PastOutcome(**one) for one in told["outcomes"]))
