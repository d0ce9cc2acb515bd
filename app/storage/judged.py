"""What a stored request says of the models that were called: the words and scales, for all who learn from requests."""

from collections.abc import Iterable

WORST, BEST = 1, 5
MODEL_FAULTS = frozenset(
    {"upstream_unreachable", "upstream_timeout", "upstream_invalid_answer"}
)  # not ours, not the key


def success_of(rating: int) -> float:
    """A rating of 1 (useless) to 5 (just right) as 0 to 1."""
    return (rating - WORST) / (BEST - WORST)


def models_at_fault(fallbacks: Iterable[str]) -> list[str]:
    """Of calls that failed, "model:code" each: the models whose own fault it was."""
    calls = [call.rpartition(":") for call in fallbacks]
    return [model for model, _, code in calls if code in MODEL_FAULTS]
