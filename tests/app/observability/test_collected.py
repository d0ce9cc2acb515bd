"""Collected: whatever dies, is born, falls silent or comes back, no series goes backwards and nothing counts twice."""

import random

import pytest

from app.observability.collected import Collected
from app.observability.exposition import Key, Snapshot, render, snapshot
from app.observability.labels import CacheKind
from app.observability.metrics import Metrics

Series = dict[tuple[str, str, Key], float]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Replica:
    """A process that counts."""

    def __init__(self, deployment: str, id_: str) -> None:
        self.deployment, self.id, self.metrics = deployment, id_, Metrics(["a"])

    def work(self, times: int = 1) -> None:
        for _ in range(times):
            self.metrics.cache_hit(CacheKind.EXACT)
            self.metrics.stage("model", 0.003)
        self.metrics.spool_depth(7)

    def snapshot(self) -> Snapshot:
        return snapshot(self.metrics.registry, self.deployment, self.id)


def series(collected: Collected, *, kinds: tuple[str, ...] = ("counter", "histogram")) -> Series:
    return {
        (snap.deployment, snap.replica, key): value
        for snap in collected.snapshots()
        for family in snap.families
        if family.kind in kinds
        for key, value in family.samples.items()
    }


def hits(collected: Collected) -> dict[str, float]:
    """By place."""
    return {
        replica: value for (_, replica, (name, _)), value in series(collected).items() if "cache_hits_total" in name
    }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collected(clock: Clock) -> Collected:
    return Collected(gone_after_s=60, clock=clock)


def replica(id_: str, work: int = 1) -> Replica:
    made = Replica("D", id_)
    made.work(work)
    return made


def test_a_silent_replica_counts_as_it_last_did(collected: Collected, clock: Clock) -> None:
    first, second = replica("x", 3), replica("y", 4)
    collected.update([first.snapshot(), second.snapshot()])
    before = series(collected, kinds=("counter", "histogram", "gauge"))
    clock.now = 30
    collected.update([second.snapshot()])
    assert series(collected, kinds=("counter", "histogram", "gauge")) == before


def test_the_next_replica_counts_on_in_the_place_of_the_dead(collected: Collected, clock: Clock) -> None:
    collected.update([replica("x", 3).snapshot()])
    collected.update([])
    clock.now = 60
    collected.update([])
    assert hits(collected) == {"0": 3}
    assert not series(collected, kinds=("gauge",))
    collected.update([replica("y", 2).snapshot()])
    assert hits(collected) == {"0": 5}
    assert b'llm_router_replica_info{id="y",deployment="D",replica="0"} 1.0' in render(collected.snapshots())
    assert b'llm_router_stage_latency_seconds_bucket{stage="model",le="0.005",deployment="D",replica="0"} 5.0' in (
        render(collected.snapshots())
    )


def test_a_pause_between_scrapes_buries_nobody(collected: Collected, clock: Clock) -> None:
    """Silence begins at the first answer that is missing."""
    first, second = replica("x", 3), replica("y", 4)
    collected.update([first.snapshot(), second.snapshot()])
    clock.now = 10_000
    collected.update([second.snapshot()])
    first.work(1)
    clock.now = 10_030
    collected.update([first.snapshot(), second.snapshot()])
    assert hits(collected) == {"0": 4, "1": 4}


def test_one_that_comes_back_is_not_counted_twice(collected: Collected, clock: Clock) -> None:
    late = replica("x", 3)
    collected.update([late.snapshot()])
    collected.update([])
    clock.now = 60
    collected.update([])
    collected.update([replica("y", 2).snapshot()])
    late.work(4)
    collected.update([late.snapshot()])
    assert hits(collected) == {"0": 5, "1": 4}


def test_a_successor_goes_on_where_the_keeper_stopped(collected: Collected, clock: Clock) -> None:
    first, second = replica("x", 3), replica("y", 4)
    collected.update([first.snapshot(), second.snapshot()])
    clock.now = 30
    collected.update([second.snapshot()])
    successor = Collected(gone_after_s=60, clock=Clock(), saved=collected.saved())
    assert series(successor) == series(collected)
    second.work(1)
    successor.update([second.snapshot()])
    assert hits(successor) == {"0": 3, "1": 5}


def test_there_are_never_more_places_than_replicas_at_one_time(collected: Collected, clock: Clock) -> None:
    for number in range(100):
        collected.update([replica(f"a{number}").snapshot(), replica(f"b{number}").snapshot()])
        collected.update([])
        clock.now += 60
        collected.update([])
    assert hits(collected) == {"0": 100, "1": 100}
    assert len(collected.saved()) < 100_000


@pytest.mark.parametrize("seed", range(60))
def test_no_series_ever_goes_backwards(seed: int, clock: Clock) -> None:
    """Random work, births, deaths, silences, returns, and deaths of the keeper itself. So no sum does either."""
    chance = random.Random(seed)
    collected = Collected(gone_after_s=60, clock=clock)
    alive = [Replica(chance.choice("AB"), str(number)) for number in range(3)]
    born, work, before = 3, 0.0, Series()
    for _ in range(120):
        clock.now += chance.uniform(0, 40)
        for one in alive:
            times = chance.randrange(3)
            one.work(times)
            work += times
        if alive and chance.random() < 0.1:
            work -= never_told(collected, alive.pop(chance.randrange(len(alive))))
        if chance.random() < 0.12:
            alive.append(Replica(chance.choice("AB"), str(born)))
            born += 1
        if chance.random() < 0.05:
            collected = Collected(gone_after_s=60, clock=clock, saved=collected.saved())
        collected.update([one.snapshot() for one in alive if chance.random() < 0.8])
        after = series(collected)
        assert all(after[key] >= value for key, value in before.items())
        before = after
    collected.update([one.snapshot() for one in alive])
    assert total(collected) == work


def total(collected: Collected) -> float:
    return sum(value for (_, _, (name, _)), value in series(collected).items() if "cache_hits_total" in name)


def never_told(collected: Collected, dead: Replica) -> float:
    """What the replica counted after its last answer, which is lost with it."""
    last_words = Collected(saved=collected.saved())
    last_words.update([dead.snapshot()])
    return total(last_words) - total(collected)
