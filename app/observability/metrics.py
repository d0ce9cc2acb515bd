"""What is counted and timed, in this process. Every label value comes from the catalogue or an enumeration."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.completion import Usage
from app.domain import Decision
from app.errors import NoModelAvailable
from app.models.attempt import Attempt
from app.observability.events import code_of
from app.observability.labels import NO_MODEL, BreakerState, CacheKind, Endpoint, StageName

REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
STAGE_BUCKETS_S = (1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120)
Child = TypeVar("Child", Counter, Gauge, Histogram)


class _Children(Generic[Child]):
    """The series of a metric by label values. `Metric.labels` takes ten times as long as this lookup."""

    def __init__(self, metric: Child) -> None:
        self.metric: Child = metric
        self._known: dict[tuple[str, ...], Child] = {}

    def __call__(self, *labels: str) -> Child:
        child = self._known.get(labels)
        if child is None:
            child = self._known[labels] = self.metric.labels(*labels)
        return child


class Metrics:
    """One per process. A metric appears in `registry` when it is first used, so that each deployment shows its own.

    `models` are the ids of the catalogue; a process that answers queries gives them, so that its counters begin at 0
    and the first request is an increase.
    """

    def __init__(self, models: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._models = frozenset(models)
        for model in self._models:
            for endpoint in Endpoint:
                self._requests(model, endpoint)
        if self._models:
            self._errors(NO_MODEL, NoModelAvailable.code)

    def build_info(self, version: str, weights_version: str | None, classifier_version: str | None) -> None:
        """At start and after each reload; None for what another deployment knows."""
        self._build_info.metric.clear()
        self._build_info.metric.labels(version, weights_version or NO_MODEL, classifier_version or NO_MODEL).set(1)

    def decided(self, decision: Decision) -> None:
        self._decisions(decision.cause, self._known(decision.model)).inc()

    def completed(
        self,
        model: str,
        endpoint: Endpoint,
        seconds: float,
        usage: Usage,
        cost_usd: float | None,
        attempts: Sequence[Attempt] = (),
        *,
        baseline_usd: float | None = None,
    ) -> None:
        """`baseline_usd`: what the strongest model would have charged for the same tokens, None when unknown."""
        model = self._known(model)
        self._requests(model, endpoint).inc()
        self._latency(model, endpoint).observe(seconds)
        self._tokens(model, "input").inc(usage.input_tokens)
        self._tokens(model, "output").inc(usage.output_tokens)
        if cost_usd is None:
            self._unknown_cost(model).inc()
        else:
            self._cost(model).inc(cost_usd)
            if baseline_usd is not None:
                self._priced_cost(model).inc(cost_usd)
                self._baseline(model).inc(baseline_usd)
        for attempt in attempts:
            self._fallbacks(self._known(attempt.model), attempt.code).inc()

    def failed(self, model: str | None, endpoint: Endpoint, seconds: float, error: BaseException) -> None:
        """An error that reaches the caller, or the caller's leaving. `model` is None when it came before a decision."""
        label = NO_MODEL if model is None else self._known(model)
        self._requests(label, endpoint).inc()
        self._latency(label, endpoint).observe(seconds)
        self._errors(label, code_of(error)).inc()

    def turned_away(self, endpoint: Endpoint, code: str) -> None:
        """A request that was no query: not JSON, a field missing or wrong, too large."""
        self._requests(NO_MODEL, endpoint).inc()
        self._errors(NO_MODEL, code).inc()

    def first_token(self, model: str, seconds: float) -> None:
        """From the arrival of a streaming request to the first chunk of its answer."""
        self._first_token(self._known(model)).observe(seconds)

    def stage(self, name: StageName, seconds: float) -> None:
        self._stages(name).observe(seconds)

    def embedded(self, texts: int, seconds: float) -> None:
        """One batch of the encoder."""
        self._embedded.inc(texts)
        self._embedding.observe(seconds)

    def classified(self, queries: int, seconds: float) -> None:
        """One batch of the classifier."""
        self._classified.inc(queries)
        self._classifying.observe(seconds)

    def cache_hit(self, kind: CacheKind) -> None:
        self._cache_hits(kind).inc()

    def cache_miss(self, kind: CacheKind) -> None:
        self._cache_misses(kind).inc()

    def cache_errors(self, kind: str, calls: int) -> None:
        """Lookups and writes that failed or were late. While a cache is left alone there are few: single probes."""
        self._cache_errors(kind).inc(calls)

    def spool_depth(self, rows: int) -> None:
        """Rows that wait in the spool file of this replica."""
        self._spool_rows.set(rows)

    def spool_refused(self, rows: int) -> None:
        """Rows that were lost: the database was down and the spool full. Call it with 0 at start."""
        self._spool_refused.inc(rows)

    def breaker_state(self, model: str, state: BreakerState) -> None:
        self._breaker(self._known(model)).set(tuple(BreakerState).index(state))

    def _known(self, model: str) -> str:
        return model if model in self._models else NO_MODEL

    @cached_property
    def _requests(self) -> _Children[Counter]:
        return self._counter("requests", "Requests that were answered or failed.", "model", "endpoint")

    @cached_property
    def _latency(self) -> _Children[Histogram]:
        text = "Time from the arrival of a request to its whole answer or its failure."
        return self._histogram("request_latency_seconds", text, REQUEST_BUCKETS_S, "model", "endpoint")

    @cached_property
    def _errors(self) -> _Children[Counter]:
        return self._counter("errors", "Requests that failed, by the code of the error.", "model", "error_type")

    @cached_property
    def _fallbacks(self) -> _Children[Counter]:
        text = "Calls to a model that failed while the request was answered in the end."
        return self._counter("fallbacks", text, "model", "error_type")

    @cached_property
    def _decisions(self) -> _Children[Counter]:
        return self._counter("routing_decisions", "Decisions, by what decided.", "routing_type", "model")

    @cached_property
    def _tokens(self) -> _Children[Counter]:
        return self._counter("tokens", "Tokens as the provider counted them.", "model", "direction")

    @cached_property
    def _cost(self) -> _Children[Counter]:
        return self._counter("cost_usd", "What answers cost, where the price is known.", "model")

    @cached_property
    def _unknown_cost(self) -> _Children[Counter]:
        return self._counter("unknown_cost_requests", "Answers whose cost is unknown.", "model")

    @cached_property
    def _priced_cost(self) -> _Children[Counter]:
        text = "What answers cost, where the baseline is known too."
        return self._counter("compared_cost_usd", text, "model")

    @cached_property
    def _baseline(self) -> _Children[Counter]:
        text = "What the strongest model would have charged for the answers in llm_router_compared_cost_usd_total."
        return self._counter("baseline_cost_usd", text, "model")

    @cached_property
    def _first_token(self) -> _Children[Histogram]:
        text = "Time from the arrival of a streaming request to its first chunk."
        return self._histogram("time_to_first_token_seconds", text, REQUEST_BUCKETS_S, "model")

    @cached_property
    def _stages(self) -> _Children[Histogram]:
        return self._histogram("stage_latency_seconds", "Time in one stage of a request.", STAGE_BUCKETS_S, "stage")

    @cached_property
    def _embedded(self) -> Counter:
        return Counter("llm_router_embedded_texts", "Texts that were embedded.", registry=self.registry)

    @cached_property
    def _embedding(self) -> Histogram:
        text = "Time in the encoder, one batch."
        return Histogram("llm_router_encoder_seconds", text, registry=self.registry, buckets=STAGE_BUCKETS_S)

    @cached_property
    def _classified(self) -> Counter:
        return Counter("llm_router_classified_queries", "Queries that were classified.", registry=self.registry)

    @cached_property
    def _classifying(self) -> Histogram:
        text = "Time in the classifier, one batch."
        return Histogram("llm_router_classifier_seconds", text, registry=self.registry, buckets=STAGE_BUCKETS_S)

    @cached_property
    def _cache_hits(self) -> _Children[Counter]:
        return self._counter("cache_hits", "Requests that were answered from a cache.", "kind")

    @cached_property
    def _cache_misses(self) -> _Children[Counter]:
        return self._counter("cache_misses", "Lookups in a cache that found nothing.", "kind")

    @cached_property
    def _cache_errors(self) -> _Children[Counter]:
        return self._counter("cache_errors", "Calls to a cache that failed or were late.", "kind")

    @cached_property
    def _spool_rows(self) -> Gauge:
        return Gauge("llm_router_spool_rows", "Rows that wait on disk for the database.", registry=self.registry)

    @cached_property
    def _spool_refused(self) -> Counter:
        text = "Rows that were lost: the database was down and the spool full."
        return Counter("llm_router_spool_refused_rows", text, registry=self.registry)

    @cached_property
    def _breaker(self) -> _Children[Gauge]:
        return self._gauge("circuit_breaker_state", "0 closed, 1 half-open, 2 open.", "model")

    @cached_property
    def _build_info(self) -> _Children[Gauge]:
        labels = ("version", "weights_version", "classifier_version")
        return self._gauge("build_info", "Always 1; the versions are in the labels.", *labels)

    def _counter(self, name: str, text: str, *labels: str) -> _Children[Counter]:
        return _Children(Counter(f"llm_router_{name}", text, labels, registry=self.registry))

    def _gauge(self, name: str, text: str, *labels: str) -> _Children[Gauge]:
        return _Children(Gauge(f"llm_router_{name}", text, labels, registry=self.registry))

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> _Children[Histogram]:
        return _Children(Histogram(f"llm_router_{name}", text, labels, registry=self.registry, buckets=buckets))
