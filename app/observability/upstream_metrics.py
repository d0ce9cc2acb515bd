"""Metrics of what stands between a query and a model: retries, and calls that were not made."""

from collections import Counter as Counts
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter

from app.models.safeguards import Safeguards


class UpstreamMetrics:
    """One per ingress replica, beside its Metrics."""

    def __init__(self, registry: CollectorRegistry, safeguards: Safeguards) -> None:
        budget, concurrency = safeguards.budget, safeguards.concurrency
        self._totals = (
            _Total(registry, "retries", "Calls that were made again.", budget.taken),
            _Total(registry, "retries_refused", "Retries that the budget did not allow.", budget.refused),
            _Total(registry, "model_busy", "Calls not made: the model was at its limit.", concurrency.refused),
        )

    def show(self) -> None:
        """As it is now."""
        for total in self._totals:
            total.show()


class _Total:
    """A counter that follows counts which are kept elsewhere."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, counts: Mapping[str, int]) -> None:
        self._counter = Counter(f"llm_router_{name}", text, ["model"], registry=registry)
        self._counts = counts
        self._shown: Counts[str] = Counts()

    def show(self) -> None:
        for model, count in self._counts.items():
            self._counter.labels(model).inc(count - self._shown[model])
            self._shown[model] = count
