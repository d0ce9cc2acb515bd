"""A decision: gathered in the Ingress replica, then DecisionEngine, FeatureExtractor, Classifier and Retriever.

As deployments/gather.py and app/routing/decide.py have it: one batch of an Ingress replica is on its way, the others
wait for the next; a stage that is late is skipped, and a decision that is late is made without any.
"""

from array import array
from collections.abc import Callable, Mapping

from app.routing.weights import Policy
from deployments.ingress import MAX_BATCH, MAX_WAITING
from tests.bench.scaling.costs import Costs
from tests.bench.scaling.settings import CLASSIFIER, ENGINE, EXTRACTOR, RETRIEVER
from tests.bench.scaling.stations import Loop, Replica, Station

MS_A_S = 1000.0


class Request:
    """`ingress` is the replica that has it, `asked_s` when it asked for what it waits for."""

    __slots__ = (
        "answer_tokens",
        "asked_s",
        "at_s",
        "ingress",
        "kind",
        "model_s",
        "streamed",
        "to_llama",
        "word_pieces",
    )
    ingress: Replica
    asked_s: float

    def __init__(
        self,
        at_s: float,
        kind: int,
        word_pieces: float,
        model_s: float,
        to_llama: bool,
        answer_tokens: float,
        streamed: bool,
    ) -> None:
        self.at_s, self.kind, self.word_pieces, self.model_s = at_s, kind, word_pieces, model_s
        self.to_llama, self.answer_tokens, self.streamed = to_llama, answer_tokens, streamed


class Batch:
    __slots__ = ("engine", "ingress", "left", "requests")
    engine: Replica

    def __init__(self, ingress: Replica, requests: list[Request]) -> None:
        self.ingress, self.requests, self.left = ingress, requests, 0


class Decisions:
    """`decided(now_s, request)` is called once for each request that `decide` was given."""

    def __init__(
        self,
        loop: Loop,
        stations: Mapping[str, Station],
        costs: Costs,
        policy: Policy,
        decided: Callable[[float, Request], None],
    ) -> None:
        self._loop, self._costs, self._decided = loop, costs, decided
        self.took = array("f")  # seconds to each decision, those without the engine too
        self._engine, self._extractor = stations[ENGINE], stations[EXTRACTOR]
        self._classifier, self._retriever = stations[CLASSIFIER], stations[RETRIEVER]
        self._decision_s = policy.decision_timeout_ms / MS_A_S
        self._embedding_s = policy.embedding_timeout_ms / MS_A_S
        self._classifier_s = policy.classifier_timeout_ms / MS_A_S
        self._memory_s = policy.memory_timeout_ms / MS_A_S

    def decide(self, now_s: float, request: Request) -> None:
        ingress = request.ingress
        request.asked_s = now_s
        if len(ingress.waiting) >= MAX_WAITING:
            self._without(now_s, request)
            return
        ingress.waiting.append(request)
        if not ingress.batch:
            self._send(now_s, ingress)

    def _send(self, now_s: float, ingress: Replica) -> None:
        requests: list[Request] = []
        while ingress.waiting and len(requests) < MAX_BATCH:
            request = ingress.waiting.popleft()
            if now_s - request.asked_s > self._decision_s:
                self._without(now_s, request)
            else:
                requests.append(request)
        ingress.batch = bool(requests)
        if not requests:
            return
        ingress.compute(now_s, self._costs.ingress_batch)
        if not self._engine.call(now_s, self._received, Batch(ingress, requests)):
            ingress.batch = False
            for request in requests:
                self._without(now_s, request)

    def _received(self, now_s: float, engine: Replica, batch: Batch) -> None:
        batch.engine = engine
        ready_s = engine.compute(now_s, self._costs.engine_receive)
        for request in batch.requests:
            self._engine.waited(now_s, ready_s - self._costs.engine_receive - request.asked_s)
        self._loop.at(ready_s, self._embed, batch)

    def _embed(self, now_s: float, batch: Batch) -> None:
        costs, n = self._costs, len(batch.requests)
        pieces = sum(request.word_pieces for request in batch.requests)
        takes = costs.extractor_batch + n * costs.extractor_query + pieces * costs.extractor_piece
        self._stage(now_s, self._extractor, takes, self._embedding_s, batch, self._embedded)

    def _embedded(self, now_s: float, batch: Batch, late: bool) -> None:
        if late:
            for station in (self._classifier, self._retriever):  # they read the embedding
                station.refused_s.extend([now_s] * len(batch.requests))
            self._score(now_s, batch)
        else:
            self._loop.at(batch.engine.compute(now_s, self._costs.engine_ask), self._ask, batch)

    def _ask(self, now_s: float, batch: Batch) -> None:
        costs, n = self._costs, len(batch.requests)
        batch.left = 2
        for station, takes, limit_s in (
            (self._classifier, costs.classifier_batch + n * costs.classifier_query, self._classifier_s),
            (self._retriever, costs.retriever_batch + n * costs.retriever_query, self._memory_s),
        ):
            self._stage(now_s, station, takes, limit_s, batch, self._learnt)

    def _learnt(self, now_s: float, batch: Batch, late: bool) -> None:  # noqa: ARG002 - skipped is as good as answered
        batch.left -= 1
        if batch.left == 0:
            self._score(now_s, batch)

    def _score(self, now_s: float, batch: Batch) -> None:
        takes = len(batch.requests) * self._costs.engine_score
        self._loop.at(batch.engine.compute(now_s, takes), self._reply, batch)

    def _reply(self, now_s: float, batch: Batch) -> None:
        self._engine.done(now_s, batch.engine)
        for request in batch.requests:
            if now_s - request.asked_s > self._decision_s:
                self._without(now_s, request)
            else:
                self.took.append(now_s - request.asked_s)
                self._decided(now_s, request)
        self._send(now_s, batch.ingress)

    def _without(self, now_s: float, request: Request) -> None:
        """Rules and text features decide."""
        self._engine.refused_s.append(now_s)
        self.took.append(min(now_s - request.asked_s, self._decision_s))
        self._decided(now_s, request)

    def _stage(
        self,
        now_s: float,
        station: Station,
        takes: float,
        limit_s: float,
        batch: Batch,
        then: Callable[[float, Batch, bool], None],
    ) -> None:
        """Late: `then` at the limit. A call that has begun by then goes on computing; another one is cancelled."""

        def taken(taken_s: float, replica: Replica, _: None) -> None:
            begins_s, ends_s = max(taken_s, replica.free_s), now_s + limit_s
            late = begins_s + takes > ends_s
            if begins_s < ends_s:
                replica.compute(taken_s, takes)
            if late:
                station.refused_s.extend([ends_s] * len(batch.requests))
            station.waited(taken_s, min(begins_s, ends_s) - now_s)
            self._loop.at(min(begins_s + takes, max(ends_s, taken_s)), finished, replica, late)

        def finished(done_s: float, replica: Replica, late: bool) -> None:
            station.done(done_s, replica)
            then(done_s, batch, late)

        if not station.call(now_s, taken, None):
            station.refused_s.extend([now_s] * len(batch.requests))
            then(now_s, batch, True)
