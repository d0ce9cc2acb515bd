"""The pods of a worker group: one replica of each deployment to a pod, and a pod takes a while to come."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.bench.scaling.stations import Station


@dataclass
class Pods:
    """Grows as soon as a deployment wants more replicas than there are pods; one that is idle for `idle_s` goes."""

    stations: Mapping[str, Station]
    fewest: int
    most: int
    start_s: float
    idle_s: float
    replica_start_s: float
    ready_s: list[float] = field(default_factory=list)  # when each pod is ready, in order of their start
    starting: dict[str, list[float]] = field(default_factory=dict)
    _idle_since_s: float | None = None

    def __post_init__(self) -> None:
        self.ready_s = [0.0] * self.fewest
        self.starting = {name: [] for name in self.stations}

    def tick(self, now_s: float, targets: Mapping[str, int]) -> None:
        self._resize(now_s, min(self.most, max(self.fewest, *targets.values())))
        ready = sum(at_s <= now_s for at_s in self.ready_s)
        for name, station in self.stations.items():
            self._start(now_s, name, station, min(targets[name], ready))
            if len(station.replicas) > targets[name]:
                station.scale(now_s, targets[name])

    def _start(self, now_s: float, name: str, station: Station, wanted: int) -> None:
        starting = self.starting[name]
        here = sum(at_s <= now_s for at_s in starting)
        if here:
            del starting[:here]
            station.scale(now_s, len(station.replicas) + here)
        missing = wanted - len(station.replicas) - len(starting)
        starting.extend([now_s + self.replica_start_s] * missing)
        if missing < 0:
            del starting[missing:]

    def _resize(self, now_s: float, wanted: int) -> None:
        self.ready_s.extend([now_s + self.start_s] * (wanted - len(self.ready_s)))
        if wanted >= len(self.ready_s):
            self._idle_since_s = None
        elif self._idle_since_s is None:
            self._idle_since_s = now_s
        elif now_s - self._idle_since_s >= self.idle_s:
            del self.ready_s[wanted:]
