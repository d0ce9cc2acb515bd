"""Traces: nothing when off; over OTLP to a real receiver when on, nested, and without a word of a prompt."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.errors import UpstreamTimeout
from app.observability.tracing import NoTracer, build_tracer
from tests.fakes.router import running_router

SECRET = "zebra-crossing-4711"


class Receiver(ThreadingHTTPServer):
    """Takes OTLP/HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    def spans(self) -> dict[str, Span]:
        return {span.name: span for span in self.all_spans()}

    def all_spans(self) -> list[Span]:
        resources = [resource for request in self.requests() for resource in request.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.server.paths.add(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def variables(url: str) -> dict[str, str]:
    return {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": url}


@pytest.mark.parametrize(
    "changes",
    [{"OTEL_TRACES_EXPORTER": ""}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, {"OTEL_SDK_DISABLED": "true"}],
)
def test_off_unless_exporter_and_endpoint_are_set(changes: dict[str, str]) -> None:
    assert isinstance(build_tracer({**variables("http://127.0.0.1:4318"), **changes}, "1"), NoTracer)
    assert isinstance(build_tracer({}, "1"), NoTracer)


async def test_stages_arrive_nested(receiver: Receiver) -> None:
    tracer = build_tracer(variables(receiver.url), "0.1.0")
    with tracer.stage("request", request_id="r1"):
        with tracer.stage("decision"):
            pass
        with tracer.stage("model", model="a"):
            pass
    tracer.close()
    spans = receiver.spans()
    assert receiver.paths == {"/v1/traces"}
    assert set(spans) == {"request", "decision", "model"}
    assert spans["request"].parent_span_id == b""
    assert {spans[name].parent_span_id for name in ("decision", "model")} == {spans["request"].span_id}
    assert {span.trace_id for span in spans.values()} == {spans["request"].trace_id}
    assert {one.key: one.value.string_value for one in spans["model"].attributes} == {"model": "a"}
    resource = receiver.requests()[0].resource_spans[0].resource
    named = {one.key: one.value.string_value for one in resource.attributes}
    assert (named["service.name"], named["service.version"]) == ("llm-router", "0.1.0")


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError(SECRET), "ValueError"), (UpstreamTimeout(SECRET), "upstream_timeout")]
)
def test_an_error_is_named_and_not_quoted(receiver: Receiver, error: Exception, kind: str) -> None:
    tracer = build_tracer(variables(receiver.url), "0.1.0")
    with pytest.raises(type(error)), tracer.stage("model"):
        raise error
    tracer.close()
    span = receiver.spans()["model"]
    assert {one.key: one.value.string_value for one in span.attributes} == {"error.type": kind}
    assert span.status.code == 2
    assert SECRET.encode() not in b"".join(receiver.bodies)


def test_a_traces_endpoint_of_its_own_is_taken_as_it_is(receiver: Receiver) -> None:
    own = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/mine"}
    tracer = build_tracer(own, "0.1.0")
    with tracer.stage("request"):
        pass
    tracer.close()
    assert receiver.paths == {"/mine"}


def test_a_receiver_that_is_down_costs_its_spans_and_nothing_else() -> None:
    tracer = build_tracer(variables("http://127.0.0.1:9"), "0.1.0")
    passed = 0
    for _ in range(100):
        with tracer.stage("request"):
            passed += 1
    tracer.close()
    assert passed == 100


async def test_a_request_is_one_span_a_stage_within_its_callers_trace(receiver: Receiver, tokenizer: Path) -> None:
    tracer = build_tracer(variables(receiver.url), "0.1.0")
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with running_router(tokenizer, tracer=tracer) as router:
        body = {"query": f"What is {SECRET}?", "user_id": "u", "model": "medium"}
        headers = {"traceparent": f"00-{trace}-{span}-01"}
        assert (await router.http.post("/api/v1/chat", json=body, headers=headers)).status_code == 200
        headers["traceparent"] = "broken"
        assert (await router.http.post("/api/v1/chat", json=body, headers=headers)).status_code == 200
    await asyncio.to_thread(tracer.close)
    first = [one for one in receiver.all_spans() if one.trace_id.hex() == trace]
    assert sorted(one.name for one in first) == ["answer", "cache", "decision", "features", "model", "storage"]
    (outer,) = (one for one in first if one.name == "answer")
    assert outer.parent_span_id.hex() == span
    assert {one.parent_span_id for one in first if one is not outer} == {outer.span_id}
    assert len({one.trace_id for one in receiver.all_spans()}) == 2
    assert SECRET.encode() not in b"".join(receiver.bodies)
