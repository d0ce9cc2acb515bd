"""What a search found: the front of quality against cost, the point to take, and what it is to be compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import Tier
from app.routing.weights import Weights
from train.bootstrap import intervals
from train.metrics import Array
from train.replayed.compare import Figures
from train.replayed.estimators import Overlap, coverage
from train.replayed.policies import always, probabilities, random
from train.replayed.traffic import Traffic
from train.replayed.value import Change
from train.tuning.objective import Standing, standing
from train.tuning.task import Side, Task, chances, value_of

LIVE, CHOSEN, BEST, CHEAPEST, RANDOM = "live policy", "chosen", "best single", "cheapest", "random"


@dataclass(frozen=True, slots=True)
class Tried:
    """`share` of the queries that choose was tried by the search. Both standings are of all queries of their side."""

    weights: Weights
    share: float
    chosen_by: Standing
    reported: Standing


@dataclass(frozen=True, slots=True)
class Point:
    """On the queries that choose nothing: `figures` are quality, cost, latency, quality_kept and cost_saved.

    `model` is the one of a single model. `overlap` is None where nothing is estimated.
    """

    name: str
    model: str | None
    standing: Standing
    figures: Figures
    overlap: Overlap | None


@dataclass(frozen=True, slots=True)
class Tuned:
    """`front`: the trials that no other beats in quality and cost, by the queries that choose; by rising cost.

    `better` says whether `best`, found by the same queries, does better than the live policy on the others too;
    `weights` are its own then, else the live ones.
    """

    task: Task
    tried: tuple[Tried, ...]
    front: tuple[Tried, ...]
    best: Tried
    better: bool
    points: Mapping[str, Point]

    @property
    def tier(self) -> Tier:
        return self.task.tier

    @property
    def weights(self) -> Weights:
        return self.best.weights if self.better else self.task.policy.weights[self.tier]


def tuned(task: Task, found: Sequence[tuple[Weights, float]]) -> Tuned:
    """From the weights that were tried, each with the share of the queries that it was tried on."""
    live = task.policy.weights[task.tier]
    tried = tuple(
        Tried(weights, share, task.measured(weights, task.train), task.measured(weights, task.validation))
        for weights, share in found
    )
    best = max(tried, key=lambda one: one.chosen_by.objective)
    better = best.reported.objective > task.measured(live, task.validation).objective
    points = _points(task, best.weights)
    return Tuned(task, tried, front(tried), best, better, points)


def front(tried: Sequence[Tried]) -> tuple[Tried, ...]:
    kept: list[Tried] = []
    for one in sorted(tried, key=lambda one: (one.chosen_by.cost_usd, -one.chosen_by.quality)):
        if not kept or one.chosen_by.quality > kept[-1].chosen_by.quality:
            kept.append(one)
    return tuple(kept)


def _points(task: Task, best: Weights) -> dict[str, Point]:
    side = task.validation
    traffic = side.traffic
    cheapest = _cheapest(task.train.traffic)
    chosen = {
        LIVE: (None, probabilities(traffic, task.policy)),
        CHOSEN: (None, chances(task, traffic, best)),
        BEST: (task.best, always(traffic, task.best)),
        CHEAPEST: (cheapest, always(traffic, cheapest)),
        RANDOM: (None, random(traffic)),
    }
    return {name: _point(task, side, name, model, chance) for name, (model, chance) in chosen.items()}


def _point(task: Task, side: Side, name: str, model: int | None, chance: Array) -> Point:
    value = value_of(side.traffic, chance)
    change = intervals(Change(value, side.reference))
    return Point(
        name=name,
        model=None if model is None else side.traffic.models[model],
        standing=standing(value, side.reference, side.live, task.aims, task.tier),
        figures={**intervals(value), **{name: change[name] for name in ("quality_kept", "cost_saved")}},
        overlap=None if side.traffic.exact else Overlap.of(coverage(side.traffic, chance)),
    )


def _cheapest(traffic: Traffic) -> int:
    """By what was expected, an unknown cost being dearest."""
    known = traffic.eligible & ~np.isnan(traffic.cost_usd)
    sums = np.where(known, traffic.cost_usd, 0.0).sum(axis=0)
    counts = known.sum(axis=0)
    return int(np.where(counts > 0, sums / np.maximum(counts, 1), np.inf).argmin())
