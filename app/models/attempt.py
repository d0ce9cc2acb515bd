"""A call to a model that failed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """`code` is that of its error."""

    model: str
    code: str
    latency_ms: float
