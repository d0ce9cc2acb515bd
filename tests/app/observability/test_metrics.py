"""Metrics: the promised names, bounded labels, and what each call records."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from app.completion import Usage
from app.domain import Candidate, Cause, Decision, Domain, Stage
from app.errors import NoModelAvailable, UpstreamTimeout
from app.models.attempt import Attempt
from app.observability.labels import BreakerState, CacheKind, Endpoint
from app.observability.memory_metrics import MemoryMetrics
from app.observability.metrics import Metrics

USAGE = Usage(input_tokens=10, output_tokens=5)


def decision(model: str) -> Decision:
    return Decision("r", (Candidate(model, 1.0, {}, None),), Cause.SCORED, 1.0, Domain.GENERAL, "1")


def everything() -> Metrics:
    """Each method called once."""
    metrics = Metrics(["a", "b"])
    metrics.build_info("0.1.0", "1", None)
    metrics.decided(decision("a"))
    metrics.completed("a", Endpoint.CHAT, 0.4, USAGE, 0.5, [Attempt("b", "upstream_timeout", 1.0)], baseline_usd=2.0)
    metrics.completed("b", Endpoint.CHAT, 0.4, USAGE, None)
    metrics.failed("a", Endpoint.COMPLETIONS, 1.0, UpstreamTimeout("late"))
    metrics.first_token("a", 0.1)
    metrics.stage(Stage.EMBEDDING, 0.003)
    metrics.stage("model", 0.3)
    for kind in CacheKind:
        metrics.cache_hit(kind)
        metrics.cache_miss(kind)
        metrics.cache_errors(kind, 1)
    metrics.spool_depth(3)
    metrics.spool_refused(2)
    metrics.breaker_state("a", BreakerState.OPEN)
    metrics.embedded(2, 0.006)
    metrics.classified(2, 0.001)
    memory = MemoryMetrics(metrics.registry)
    memory.recalled(2, 0.002)
    memory.holds(9)
    memory.dropped(1)
    return metrics


def names(registry: CollectorRegistry) -> set[str]:
    return {sample.name for metric in registry.collect() for sample in metric.samples}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("llm_router_requests_total", {"model": "a", "endpoint": "/api/v1/chat"}, 1),
        ("llm_router_requests_total", {"model": "a", "endpoint": "/v1/chat/completions"}, 1),
        ("llm_router_requests_total", {"model": "b", "endpoint": "/v1/messages"}, 0),
        ("llm_router_request_latency_seconds_sum", {"model": "a", "endpoint": "/api/v1/chat"}, 0.4),
        ("llm_router_request_latency_seconds_bucket", {"model": "a", "endpoint": "/api/v1/chat", "le": "0.25"}, 0),
        ("llm_router_request_latency_seconds_bucket", {"model": "a", "endpoint": "/api/v1/chat", "le": "120.0"}, 1),
        ("llm_router_errors_total", {"model": "a", "error_type": "upstream_timeout"}, 1),
        ("llm_router_fallbacks_total", {"model": "b", "error_type": "upstream_timeout"}, 1),
        ("llm_router_cache_hits_total", {"kind": "exact"}, 1),
        ("llm_router_cache_misses_total", {"kind": "semantic"}, 1),
        ("llm_router_cache_errors_total", {"kind": "semantic"}, 1),
        ("llm_router_routing_decisions_total", {"routing_type": "scored", "model": "a"}, 1),
        ("llm_router_circuit_breaker_state", {"model": "a"}, 2),
        ("llm_router_tokens_total", {"model": "a", "direction": "input"}, 10),
        ("llm_router_tokens_total", {"model": "a", "direction": "output"}, 5),
        ("llm_router_cost_usd_total", {"model": "a"}, 0.5),
        ("llm_router_cost_usd_total", {"model": "b"}, None),
        ("llm_router_compared_cost_usd_total", {"model": "a"}, 0.5),
        ("llm_router_baseline_cost_usd_total", {"model": "a"}, 2),
        ("llm_router_unknown_cost_requests_total", {"model": "b"}, 1),
        ("llm_router_time_to_first_token_seconds_count", {"model": "a"}, 1),
        ("llm_router_stage_latency_seconds_count", {"stage": "embedding"}, 1),
        ("llm_router_spool_rows", {}, 3),
        ("llm_router_spool_refused_rows_total", {}, 2),
        ("llm_router_build_info", {"version": "0.1.0", "weights_version": "1", "classifier_version": "none"}, 1),
    ],
)
def test_each_call_is_recorded_under_its_promised_name(name: str, labels: dict[str, str], value: float | None) -> None:
    assert everything().registry.get_sample_value(name, labels) == value


def test_what_nobody_sets_is_not_shown() -> None:
    assert names(Metrics().registry) == set()
    shown = names(Metrics(["a"]).registry)
    assert {"llm_router_requests_total", "llm_router_errors_total"} < shown
    assert not any(name.startswith(("llm_router_circuit_breaker", "llm_router_spool")) for name in shown)


def test_a_model_that_the_catalogue_does_not_have_becomes_no_label() -> None:
    metrics = Metrics(["a"])
    for n in range(50):
        metrics.completed(f"m{n}", Endpoint.CHAT, 0.1, USAGE, 0.1)
        metrics.failed(f"m{n}", Endpoint.CHAT, 0.1, RuntimeError("secret prompt"))
        metrics.decided(decision(f"m{n}"))
    models = {s.labels.get("model") for metric in metrics.registry.collect() for s in metric.samples}
    assert models == {"a", "none"}
    error = {"model": "none", "error_type": "RuntimeError"}
    assert metrics.registry.get_sample_value("llm_router_errors_total", error) == 50


def test_a_failure_before_a_decision_counts_as_a_request_without_model() -> None:
    metrics = Metrics(["a"])
    name, labels = "llm_router_errors_total", {"model": "none", "error_type": "no_model_available"}
    assert metrics.registry.get_sample_value(name, labels) == 0
    metrics.failed(None, Endpoint.CHAT, 0.1, NoModelAvailable("none"))
    assert metrics.registry.get_sample_value(name, labels) == 1
    labels = {"model": "none", "endpoint": "/api/v1/chat"}
    assert metrics.registry.get_sample_value("llm_router_requests_total", labels) == 1


def test_a_caller_who_leaves_is_an_error_type_of_its_own() -> None:
    metrics = Metrics(["a"])
    metrics.failed("a", Endpoint.CHAT, 0.1, asyncio.CancelledError())
    labels = {"model": "a", "error_type": "client_left"}
    assert metrics.registry.get_sample_value("llm_router_errors_total", labels) == 1


def test_batches_of_the_encoder_and_the_classifier_are_counted_and_timed() -> None:
    metrics = Metrics()
    metrics.embedded(8, 0.02)
    metrics.classified(8, 0.0004)
    for name, value in (
        ("llm_router_embedded_texts_total", 8),
        ("llm_router_encoder_seconds_sum", 0.02),
        ("llm_router_classified_queries_total", 8),
        ("llm_router_classifier_seconds_sum", 0.0004),
    ):
        assert metrics.registry.get_sample_value(name) == value


def test_build_info_shows_the_last_versions_only() -> None:
    metrics = Metrics()
    metrics.build_info("0.1.0", "1", None)
    metrics.build_info("0.1.0", None, "c7")
    (metric,) = metrics.registry.collect()
    assert [sample.labels for sample in metric.samples] == [
        {"version": "0.1.0", "weights_version": "none", "classifier_version": "c7"}
    ]


def test_breaker_states_are_the_promised_numbers() -> None:
    metrics = Metrics(["a"])
    values = []
    for state in (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN):
        metrics.breaker_state("a", state)
        values.append(metrics.registry.get_sample_value("llm_router_circuit_breaker_state", {"model": "a"}))
    assert values == [0, 1, 2]
