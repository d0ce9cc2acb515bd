"""What each model takes now: the median of its last answers, longer while calls wait for a local replica."""

from collections import deque
from collections.abc import Callable, Mapping
from statistics import median
from time import monotonic

from app.models.catalogue import Catalogue

LAST = 101  # answers that are remembered of a model
ENOUGH = 5  # fewer say less than the catalogue
FRESH_S = 900.0


class Latencies:
    """One per ingress replica. `in_flight` counts the calls to the local replicas, from this process."""

    def __init__(
        self, catalogue: Catalogue, in_flight: Callable[[str], int], clock: Callable[[], float] = monotonic
    ) -> None:
        self._usual = {id_: float(spec.expected_latency_ms) for id_, spec in catalogue.models.items()}
        self._parallel = {id_: spec.parallel_requests for id_, spec in catalogue.models.items()}
        self._upstream = {id_: spec.upstream_name for id_, spec in catalogue.models.items()}
        self._in_flight = in_flight
        self._clock = clock
        self._last: dict[str, deque[tuple[float, float]]] = {id_: deque(maxlen=LAST) for id_ in self._usual}
        self._median: dict[str, float] = {}  # of those whose answers have not changed since: every request asks

    def observe(self, model: str, latency_ms: float) -> None:
        """A whole answer, of a stream to its end, without what the router or other models took."""
        if model in self._last:
            self._last[model].append((self._clock(), latency_ms))
            self._median.pop(model, None)

    def expected_ms(self) -> Mapping[str, float]:
        """By model. With c requests at once, n in flight make an answer take 1 + n / c times as long."""
        return {id_: self._median_ms(id_) * self._queue(id_) for id_ in self._usual}

    def _median_ms(self, model: str) -> float:
        last, oldest = self._last[model], self._clock() - FRESH_S
        while last and last[0][0] < oldest:
            last.popleft()
            self._median.pop(model, None)
        if model not in self._median:
            self._median[model] = median(ms for _, ms in last) if len(last) >= ENOUGH else self._usual[model]
        return self._median[model]

    def _queue(self, model: str) -> float:
        parallel = self._parallel[model]
        return 1.0 if parallel is None else 1 + self._in_flight(self._upstream[model]) / parallel
