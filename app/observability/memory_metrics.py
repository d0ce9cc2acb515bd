"""Metrics of the memory of outcomes, each in `registry` from its first use on."""

from functools import cached_property

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.observability.metrics import STAGE_BUCKETS_S


class MemoryMetrics:
    """One per process, beside its Metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def recalled(self, queries: int, seconds: float) -> None:
        """One lookup for a batch of queries."""
        self._recalled.inc(queries)
        self._recalling.observe(seconds)

    def holds(self, memories: int) -> None:
        self._memories.set(memories)

    def dropped(self, events: int) -> None:
        """Memories and ratings that were lost. Call it with 0 at start."""
        self._dropped.inc(events)

    @cached_property
    def _recalled(self) -> Counter:
        text = "Queries that were looked up in the memory."
        return Counter("llm_router_recalled_queries", text, registry=self._registry)

    @cached_property
    def _recalling(self) -> Histogram:
        text = "Time in the memory, one batch."
        return Histogram("llm_router_recall_seconds", text, registry=self._registry, buckets=STAGE_BUCKETS_S)

    @cached_property
    def _memories(self) -> Gauge:
        return Gauge("llm_router_memories", "Past queries that are remembered.", registry=self._registry)

    @cached_property
    def _dropped(self) -> Counter:
        text = "Memories and ratings that were lost: the memory was away for too long."
        return Counter("llm_router_memories_dropped", text, registry=self._registry)
