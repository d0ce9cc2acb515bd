"""OpenTelemetry traces over OTLP/HTTP, one span a stage. Off unless the environment asks for them.

On when OTEL_TRACES_EXPORTER is `otlp` and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT is set,
unless OTEL_SDK_DISABLED is `true`. The other variables of OpenTelemetry (headers, sampler, batch sizes) are read from
the environment of the process by its SDK. No attribute holds text of a prompt or of an answer.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from app.errors import RouterError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

EXPORT_TIMEOUT_S = 5.0


class Tracer(Protocol):
    def stage(
        self, name: str, parent: str | None = None, **attributes: str | int | float
    ) -> AbstractContextManager[None]:
        """A span within the one that is open in this task. Leave it in the task that entered it.

        `parent` is a caller's span instead, as a W3C `traceparent` header; a malformed one is ignored.
        """
        ...

    def close(self) -> None:
        """Sends what waits, for at most EXPORT_TIMEOUT_S."""
        ...


class NoTracer:
    _nothing = nullcontext()

    def stage(
        self,
        name: str,  # noqa: ARG002
        parent: str | None = None,  # noqa: ARG002
        **attributes: str | int | float,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        return self._nothing

    def close(self) -> None:
        pass


class OtlpTracer:
    """Spans are sent in batches by a thread of their own; when the receiver is down they are dropped."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace import StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._propagator = TraceContextTextMapPropagator()
        self._failed = StatusCode.ERROR
        self._provider = provider
        self._tracer = provider.get_tracer("llm_router")

    @contextmanager
    def stage(self, name: str, parent: str | None = None, **attributes: str | int | float) -> Iterator[None]:
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, context, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_status(self._failed)
                # The class alone: the message of a foreign error may quote the prompt.
                span.set_attribute("error.type", error.code if isinstance(error, RouterError) else type(error).__name__)
                raise

    def close(self) -> None:
        self._provider.force_flush(int(EXPORT_TIMEOUT_S * 1000))
        self._provider.shutdown()


def build_tracer(variables: Mapping[str, str], version: str) -> Tracer:
    endpoint = _endpoint(variables)
    off = variables.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if endpoint is None or off or variables.get("OTEL_TRACES_EXPORTER") != "otlp":
        return NoTracer()
    # Here, because the SDK costs every process that imports it 0.3 s.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = variables.get("OTEL_SERVICE_NAME", "llm-router")
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S)))
    return OtlpTracer(provider)


def _endpoint(variables: Mapping[str, str]) -> str | None:
    base = variables.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return variables.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or (f"{base.rstrip('/')}/v1/traces" if base else None)
