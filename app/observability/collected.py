"""The metrics of all replicas, past and present. No series ever goes backwards, and their number stays bounded."""

import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from app.observability.exposition import Family, Key, Snapshot

GONE_AFTER_S = 60.0
GONE_REMEMBERED = 8


@dataclass(slots=True)
class _Place:
    """The series of a deployment under one `replica` label, and the replica that holds them now, if any.

    `base` is the sum of what its former holders had counted.
    """

    base: Mapping[str, Family] = field(default_factory=dict)
    last: Snapshot | None = None
    silent_since: float | None = None


class Collected:
    """Gives each replica the lowest free number of its deployment as `replica` label: a place.

    A replica that has been silent for `gone_after_s` is gone: its place keeps its counters and histograms, drops its
    gauges, and the next replica counts on from there. So every series only grows, `sum(rate(...))` sees no jump when
    a replica dies, and there are never more series than replicas at one time. A silent replica counts as it last did.
    """

    def __init__(
        self,
        *,
        gone_after_s: float = GONE_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
        saved: bytes | None = None,
    ) -> None:
        self._gone_after_s = gone_after_s
        self._clock = clock
        self._places: dict[str, list[_Place]] = {}
        self._gone: dict[tuple[str, str], list[Family]] = {}  # what they had counted, should one speak again
        if saved is not None:
            self._places, self._gone = pickle.loads(saved)
            for place in self._all():
                place.silent_since = None  # the clock was another process's

    def saved(self) -> bytes:
        """All of it, for a successor in another process. Read it back only from where nobody else can write."""
        return pickle.dumps((self._places, self._gone), protocol=pickle.HIGHEST_PROTOCOL)

    def update(self, snapshots: Iterable[Snapshot]) -> None:
        """What those replicas answered that did answer, each of them later than any answer given before."""
        now, heard = self._clock(), set()
        for snap in snapshots:
            place = self._place(snap)
            place.last, place.silent_since = snap, None
            heard.add(id(place))
        for place in self._all():
            if place.last is not None and id(place) not in heard:
                if place.silent_since is None:
                    place.silent_since = now
                elif now - place.silent_since >= self._gone_after_s:
                    self._leave(place, place.last)

    def snapshots(self) -> list[Snapshot]:
        """One for each place, its number as `replica`."""
        return [
            Snapshot(deployment, str(number), _families(place))
            for deployment, places in sorted(self._places.items())
            for number, place in enumerate(places)
        ]

    def _leave(self, place: _Place, last: Snapshot) -> None:
        counted = _counted(last)
        place.base, place.last, place.silent_since = _added(place.base, counted), None, None
        self._gone[last.deployment, last.replica] = counted
        while len(self._gone) > GONE_REMEMBERED:
            del self._gone[next(iter(self._gone))]

    def _place(self, snap: Snapshot) -> _Place:
        places = self._places.setdefault(snap.deployment, [])
        for place in places:
            if place.last is not None and place.last.replica == snap.replica:
                return place
        free = next((place for place in places if place.last is None), None)
        place = free or _Place()
        if free is None:
            places.append(place)
        returned = self._gone.pop((snap.deployment, snap.replica), None)
        if returned is not None:  # counted once already, under the place that it had
            place.base = _added(place.base, returned, sign=-1)
        return place

    def _all(self) -> Iterator[_Place]:
        return (place for places in self._places.values() for place in places)


def _families(place: _Place) -> tuple[Family, ...]:
    if place.last is None:
        return tuple(place.base.values())
    gauges = [family for family in place.last.families if family.kind == "gauge"]
    id_ = {("llm_router_replica_info", f'id="{place.last.replica}"'): 1.0}
    info = Family("llm_router_replica_info", "gauge", "Always 1; Serve's id of the replica.", id_)
    return (*_added(place.base, _counted(place.last)).values(), *gauges, info)


def _counted(snap: Snapshot) -> list[Family]:
    return [family for family in snap.families if family.kind != "gauge"]


def _added(base: Mapping[str, Family], families: Iterable[Family], sign: int = 1) -> Mapping[str, Family]:
    """The sums of both. Cumulative buckets add up like counters: replicas of one release have the same bounds."""
    sums = dict(base)
    for family in families:
        before: Mapping[Key, float] = sums[family.name].samples if family.name in sums else {}
        samples = {**before, **{key: before.get(key, 0.0) + sign * value for key, value in family.samples.items()}}
        sums[family.name] = replace(family, samples=samples)
    return sums
