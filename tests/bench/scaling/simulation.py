"""The way of a query through the deployments, as app/chat.py has it, while Serve scales them.

Left out: connections, the database, Redis, what the Retriever writes, and that a decision sees how busy Llama is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.routing.weights import Policy
from tests.bench.scaling.autoscaler import Autoscaler, Clock, serves_clock
from tests.bench.scaling.costs import Costs
from tests.bench.scaling.decisions import Decisions, Request
from tests.bench.scaling.pods import Pods
from tests.bench.scaling.settings import INGRESS, LLAMA, NAMES, ROUTER, Settings
from tests.bench.scaling.stations import Loop, Replica, Station
from tests.bench.scaling.traffic import CACHED, SCORED, Requests

TICK_S, SAMPLE_S = 1.0, 10.0
BUSIEST = 0.95  # of an Ingress replica's thread, by streams alone: beyond it streams become slower


@dataclass
class Samples:
    """Every ten seconds: replicas that run, by deployment, and pods, by group."""

    at_s: list[float] = field(default_factory=list)
    replicas: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in NAMES})
    pods: dict[str, list[int]] = field(default_factory=lambda: {"router": [], "llama": []})


class Simulation:
    def __init__(self, settings: Settings, policy: Policy, costs: Costs) -> None:
        self.loop, self.samples = Loop(), Samples()
        self.stations = {
            name: Station(name, max_ongoing=one.max_ongoing, max_queued=one.max_queued, seed=i)
            for i, (name, one) in enumerate(settings.items())
        }
        self._costs, self._clock = costs, Clock()
        self._targets = {name: one.replicas for name, one in settings.items()}
        self._scalers = {name: Autoscaler(name, one.scaling) for name, one in settings.items() if one.scaling}
        self._ingress, self._llama = self.stations[INGRESS], self.stations[LLAMA]
        self.decisions = Decisions(self.loop, self.stations, costs, policy, self._ask)
        self._groups = {
            "router": self._pods(settings, ROUTER, costs.replica_start),
            "llama": self._pods(settings, (LLAMA,), costs.llama_start),
        }
        for name, station in self.stations.items():
            station.scale(0.0, self._targets[name])

    def run(self, hours: Iterable[Requests], until_s: float) -> None:
        run, arrive = self.loop.run, self._arrive
        with serves_clock(self._clock):
            self.loop.at(TICK_S, self._tick)
            for hour in hours:
                columns = hour.at_s, hour.kind, hour.word_pieces, hour.model_s
                more = hour.to_llama, hour.answer_tokens, hour.streamed
                for row in zip(*(column.tolist() for column in (*columns, *more)), strict=True):
                    run(row[0])
                    arrive(Request(*row))
            run(until_s)

    def _pods(self, settings: Settings, names: Iterable[str], replica_start_s: float) -> Pods:
        group = {name: settings[name] for name in names}
        return Pods(
            stations={name: self.stations[name] for name in group},
            fewest=max(one.replicas for one in group.values()),
            most=max(one.most for one in group.values()),
            start_s=self._costs.pod_start,
            idle_s=self._costs.pod_idle,
            replica_start_s=replica_start_s,
        )

    def _tick(self, now_s: float) -> None:
        self._clock.now_s = now_s
        for name, scaler in self._scalers.items():
            station = self.stations[name]
            self._targets[name] = scaler.tick(now_s, station.ongoing, len(station.replicas))
        for group in self._groups.values():
            group.tick(now_s, {name: self._targets[name] for name in group.stations})
        self._llama.callers = len(self._ingress.replicas)
        if now_s % SAMPLE_S == 0:
            self._sample(now_s)
        self.loop.at(now_s + TICK_S, self._tick)

    def _sample(self, now_s: float) -> None:
        self.samples.at_s.append(now_s)
        for name, station in self.stations.items():
            self.samples.replicas[name].append(len(station.replicas))
        for name, group in self._groups.items():
            self.samples.pods[name].append(len(group.ready_s))

    def _arrive(self, request: Request) -> None:
        if not self._ingress.call(request.at_s, self._begin, request):
            self._ingress.refused_s.append(request.at_s)

    def _begin(self, now_s: float, ingress: Replica, request: Request) -> None:
        request.ingress = ingress
        free = 1 - min(BUSIEST, ingress.streams * self._costs.stream)
        takes = self._costs.ingress[request.kind] / free
        ready_s = ingress.compute(now_s, takes)
        self._ingress.waited(now_s, ready_s - takes - request.at_s)
        if request.kind == CACHED:
            self.loop.at(ready_s, self._answered, request)
        elif request.kind == SCORED:
            self.decisions.decide(now_s, request)
        else:
            self._ask(now_s, request)

    def _ask(self, now_s: float, request: Request) -> None:
        request.asked_s = now_s
        request.ingress.streams += request.streamed
        if not request.to_llama:
            self.loop.at(now_s + request.model_s, self._answered, request)
        elif not self._llama.call(now_s, self._write, request):
            self._llama.refused_s.append(now_s)
            self.loop.at(now_s + request.model_s, self._answered, request)  # by the next candidate

    def _write(self, now_s: float, llama: Replica, request: Request) -> None:
        costs = self._costs
        self._llama.waited(now_s, now_s - request.asked_s)
        slower = 1 + llama.ongoing / costs.llama_half_speed_at
        takes = costs.llama_first_token + request.answer_tokens * slower / costs.llama_tokens_per_s
        self.loop.at(now_s + takes, self._written, llama, request)

    def _written(self, now_s: float, llama: Replica, request: Request) -> None:
        self._llama.done(now_s, llama)
        self._answered(now_s, request)

    def _answered(self, now_s: float, request: Request) -> None:
        if request.kind != CACHED:
            request.ingress.streams -= request.streamed
        self._ingress.done(now_s, request.ingress)
