"""What a simulated day comes to."""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from tests.bench.scaling.settings import CLASSIFIER, ENGINE, EXTRACTOR, INGRESS, LLAMA, NAMES, RETRIEVER, Settings
from tests.bench.scaling.simulation import SAMPLE_S, Simulation
from tests.bench.scaling.stations import Station
from tests.bench.scaling.traffic import DAY_S, HOUR_S, Floats

BIN_S = 300
SHOWN = (INGRESS, EXTRACTOR, LLAMA)


class Figures(BaseModel):
    """Of a deployment. `lost`: of what came, the share that was shed, skipped or, at Llama, sent elsewhere."""

    least: int
    mean: float
    most: int
    p50_ms: float
    p99_ms: float
    lost: float
    replica_hours: float
    core_hours: float


class Lines(BaseModel):
    """By five minutes of the day."""

    replicas: list[float]
    p99_ms: list[float]
    lost_per_s: list[float]


class Result(BaseModel):
    """Of a scenario on a day. Decisions are those that need the DecisionEngine; late ones go without it."""

    scenario: str
    day: int
    requests: int
    requests_per_s: list[float]
    deployments: dict[str, Figures]
    lines: dict[str, Lines]
    pod_hours: dict[str, float]
    decision_p50_ms: float
    decision_p99_ms: float


@dataclass(frozen=True)
class _Lost:
    """`of`: how many could have been."""

    of: int
    at_s: Floats


def result(scenario: str, day: int, simulation: Simulation, settings: Settings) -> Result:
    ingress = simulation.stations[INGRESS]
    arrived_s = np.concatenate([np.asarray(ingress.waits[0]), np.asarray(ingress.refused_s)])
    took_ms = 1000 * np.asarray(simulation.decisions.took)
    lost = {name: _lost(simulation, name, len(arrived_s), len(took_ms)) for name in NAMES}
    p50_ms, p99_ms = np.percentile(took_ms, [50, 99])
    return Result(
        scenario=scenario,
        day=day,
        requests=len(arrived_s),
        requests_per_s=_by_bin(arrived_s),
        deployments={name: _figures(simulation, name, lost[name], settings[name].cpus) for name in NAMES},
        lines={name: _lines(simulation, name, lost[name].at_s) for name in NAMES},
        pod_hours={name: sum(pods) * SAMPLE_S / HOUR_S for name, pods in simulation.samples.pods.items()},
        decision_p50_ms=p50_ms,
        decision_p99_ms=p99_ms,
    )


def _lost(simulation: Simulation, name: str, requests: int, decisions: int) -> _Lost:
    station = simulation.stations[name]
    of = {INGRESS: requests, LLAMA: len(station.waits[0]) + len(station.refused_s)}
    assert name in of or name in (ENGINE, EXTRACTOR, CLASSIFIER, RETRIEVER)
    return _Lost(of.get(name, decisions), np.asarray(station.refused_s, np.float64))


def _figures(simulation: Simulation, name: str, lost: _Lost, cpus: float) -> Figures:
    replicas = np.array(simulation.samples.replicas[name])
    p50, p99 = _waits(simulation.stations[name])
    hours = float(replicas.sum() * SAMPLE_S / HOUR_S)
    return Figures(
        least=int(replicas.min()),
        mean=float(replicas.mean()),
        most=int(replicas.max()),
        p50_ms=p50,
        p99_ms=p99,
        lost=len(lost.at_s) / max(1, lost.of),
        replica_hours=hours,
        core_hours=hours * cpus,
    )


def _waits(station: Station) -> tuple[float, float]:
    waits = np.asarray(station.waits[1])
    p50, p99 = np.percentile(waits, [50, 99]) * 1000 if len(waits) else (0.0, 0.0)
    return float(p50), float(p99)


def _lines(simulation: Simulation, name: str, lost_s: Floats) -> Lines:
    at_s, waits = (np.asarray(column) for column in simulation.stations[name].waits)
    which = np.minimum(at_s // BIN_S, DAY_S // BIN_S - 1).astype(np.int64)
    order = np.argsort(which, kind="stable")
    parts = np.split(waits[order], np.searchsorted(which[order], np.arange(1, DAY_S // BIN_S)))
    replicas = np.array(simulation.samples.replicas[name], np.float64)
    of = np.minimum(np.array(simulation.samples.at_s) // BIN_S, DAY_S // BIN_S - 1).astype(np.int64)
    return Lines(
        replicas=(
            np.bincount(of, replicas, DAY_S // BIN_S) / np.maximum(1, np.bincount(of, minlength=DAY_S // BIN_S))
        ).tolist(),
        p99_ms=[float(np.percentile(part, 99)) * 1000 if len(part) else 0.0 for part in parts],
        lost_per_s=_by_bin(lost_s),
    )


def _by_bin(at_s: Floats) -> list[float]:
    counts, _ = np.histogram(at_s, bins=DAY_S // BIN_S, range=(0, DAY_S))
    return (counts / BIN_S).tolist()  # type: ignore[no-any-return]
