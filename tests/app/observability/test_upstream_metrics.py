import pytest
from prometheus_client import CollectorRegistry

from app.errors import ModelBusy
from app.models.retry_budget import RetryConfig
from app.observability.upstream_metrics import UpstreamMetrics
from tests.fakes.safeguards import safeguards


def test_counts_are_shown_once_each() -> None:
    registry, guarded = CollectorRegistry(), safeguards(["m"], limit=0, retries=RetryConfig(share=0, per_s=0, burst=2))
    metrics = UpstreamMetrics(registry, guarded)
    for _ in range(2):
        for _ in range(2):
            guarded.budget.take("m")
            with pytest.raises(ModelBusy):
                guarded.concurrency.enter("m")
        metrics.show()
        metrics.show()
    shown = {
        name: registry.get_sample_value(f"llm_router_{name}_total", {"model": "m"})
        for name in ("retries", "retries_refused", "model_busy")
    }
    assert shown == {"retries": 2, "retries_refused": 2, "model_busy": 4}
