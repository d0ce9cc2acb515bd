"""How long the stages of one request take."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from app.observability.labels import StageName
from app.observability.tracing import Tracer


class Stages:
    """One a request. `ms` holds milliseconds by stage; each stage is a span as well when traces are on."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self.ms: dict[StageName, float] = {}

    @contextmanager
    def __call__(self, name: StageName) -> Iterator[None]:
        """A stage that runs twice adds up."""
        started = perf_counter()
        try:
            with self._tracer.stage(name):
                yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (perf_counter() - started) * 1000
