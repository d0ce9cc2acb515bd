"""The simulation against queueing theory, against what Serve documents of its scaling, and against itself."""

from itertools import islice
from math import factorial

import numpy as np
import pytest
from ray.serve._private.autoscaling_metrics_merge import merge_and_aggregate_arrays
from ray.serve.config import AutoscalingConfig

from tests.bench.scaling.autoscaler import Autoscaler, Clock, mean, serves_clock
from tests.bench.scaling.costs import Costs
from tests.bench.scaling.days import policy
from tests.bench.scaling.settings import EXTRACTOR, INGRESS, laptop
from tests.bench.scaling.simulation import Simulation
from tests.bench.scaling.stations import Loop, Replica, Station
from tests.bench.scaling.traffic import Day, requests


def erlang_c_wait_s(arrivals_per_s: float, served_per_s: float, servers: int) -> float:
    """Mean time in the queue of M/M/c."""
    load = arrivals_per_s / served_per_s
    full = load**servers / factorial(servers) * servers / (servers - load)
    waits = full / (sum(load**k / factorial(k) for k in range(servers)) + full)
    return waits / (servers * served_per_s - arrivals_per_s)


@pytest.mark.parametrize(("servers", "arrivals_per_s"), [(1, 0.6), (3, 2.1)])
def test_waiting_times_agree_with_erlang_c(servers: int, arrivals_per_s: float) -> None:
    rng, n = np.random.default_rng(7), 400_000
    loop, station = Loop(), Station("M/M/c", max_ongoing=1, max_queued=n)
    station.scale(0.0, servers)
    waits: list[float] = []

    def taken(now_s: float, replica: Replica, request: tuple[float, float]) -> None:
        came_s, takes_s = request
        waits.append(now_s - came_s)
        loop.at(now_s + takes_s, station.done, replica)

    came = np.cumsum(rng.exponential(1 / arrivals_per_s, n))
    for came_s, takes_s in zip(came.tolist(), rng.exponential(1.0, n).tolist(), strict=True):
        loop.run(came_s)
        station.call(came_s, taken, (came_s, takes_s))
    assert np.mean(waits) == pytest.approx(erlang_c_wait_s(arrivals_per_s, 1.0, servers), rel=0.03)


def test_serves_policy_scales_after_its_delays() -> None:
    config = AutoscalingConfig(
        min_replicas=2, max_replicas=9, target_ongoing_requests=4, upscale_delay_s=30, downscale_delay_s=300
    )
    clock, scaler, running, changes = Clock(), Autoscaler("Ingress", config), 2, []
    with serves_clock(clock):
        for second in range(1, 1200):
            ongoing = 24 if second < 400 else 1
            clock.now_s = float(second)
            if (target := scaler.tick(second, ongoing, running)) != running:
                changes.append((second, target))
                running = target
    (up_s, up), *downs = changes
    assert up == 6
    assert 30 <= up_s <= 45
    assert downs[-1][1] == 2
    assert all(700 <= second <= 800 for second, _ in downs)  # a report late, and the look-back


def test_means_are_those_that_serve_computes() -> None:
    seen = [(0.0, 3), (6.0, 1), (12.0, 0), (18.0, 7)]
    at_s, values = (np.array(column, np.float64) for column in zip(*seen, strict=True))
    for now_s in (18.0, 18.5, 27.0):
        serves = merge_and_aggregate_arrays(at_s, values, np.array([0, len(seen)]), now_s)
        assert mean(seen, now_s) == pytest.approx(serves)


def test_a_day_is_the_same_again_from_its_seed() -> None:
    def hour(seed: int) -> tuple[list[float], list[int], int]:
        simulation = Simulation(laptop(), policy(), Costs())
        rng = np.random.default_rng(seed)
        simulation.run(islice(requests(Day(night_per_s=10.0), rng), 1), 3600.0)
        waits = simulation.stations[EXTRACTOR].waits[1].tolist()
        return waits, simulation.samples.replicas[INGRESS], len(simulation.decisions.took)

    first = hour(1)
    assert hour(1) == first
    assert hour(2)[0] != first[0]
    assert len(first[0]) > 10_000


def test_what_does_not_fit_is_shed_and_what_is_late_is_skipped() -> None:
    """Ten times what one replica of each can do."""
    simulation = Simulation(laptop(), policy(), Costs())
    rate = Day(night_per_s=1500.0)
    (hour,) = islice(requests(rate, np.random.default_rng(3)), 1)
    first = hour.at_s < 30
    simulation.run([type(hour)(*(column[first] for column in vars(hour).values()))], 30.0)
    assert simulation.stations[INGRESS].ongoing == 1500  # max_ongoing_requests and max_queued_requests
    assert len(simulation.stations[INGRESS].refused_s) > 5_000
    assert max(simulation.decisions.took) <= 0.5
