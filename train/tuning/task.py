"""One tier's traffic, split into what chooses and what is reported, with what a trial is measured against."""

from dataclasses import dataclass, replace

import numpy as np

from app.domain import Tier
from app.routing.weights import Policy, Weights
from train.curves import best_single
from train.errors import DataError
from train.metrics import Array, measure
from train.replayed.compare import EXACT, valued
from train.replayed.estimators import Estimator
from train.replayed.policies import always, probabilities, with_cost
from train.replayed.traffic import Bools, Full, Traffic
from train.replayed.value import Value
from train.tuning.objective import Aims, Standing, standing
from train.tuning.space import Space

FEWEST = 30  # queries on either side


@dataclass(frozen=True, slots=True)
class Side:
    """Traffic, and on it the value of the reference and of the live policy."""

    traffic: Traffic
    reference: Value
    live: Value

    def __len__(self) -> int:
        return len(self.traffic)


@dataclass(frozen=True, slots=True)
class Task:
    """`best` is the column of the best single model, by the queries that choose. `train` is in a random order."""

    tier: Tier
    policy: Policy
    aims: Aims
    train: Side
    validation: Side
    best: int

    @property
    def space(self) -> Space:
        latency = not bool(np.isnan(self.train.live.figures(self.train.live.table.mean(axis=0))[2]))
        return Space(self.policy.weights[self.tier], latency=latency)

    def measured(self, weights: Weights, side: Side, share: float = 1.0) -> Standing:
        """On the first `share` of its queries."""
        lines = slice(0, max(1, round(share * len(side))))
        value = value_of(side.traffic[lines], chances(self, side.traffic[lines], weights))
        one, other = Value(side.reference.table[lines]), Value(side.live.table[lines])
        return standing(value, one, other, self.aims, self.tier)


def task(traffic: Traffic, policy: Policy, aims: Aims, seed: int) -> Task:
    """Raises DataError when there is too little, or no cost is known."""
    bare = with_cost(replace(traffic, texts=()), policy)
    held = _held_out(bare, aims.validation_share)
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(~held))
    if min(len(shuffled), int(held.sum())) < FEWEST:
        raise DataError(
            f"{traffic.tier}: {len(traffic)} queries leave {len(shuffled)} to choose by and {int(held.sum())} to "
            f"measure on; either takes {FEWEST}; replay more"
        )
    train = bare[shuffled]
    best = _best_single(train)
    chooses, reports = (_side(one, policy, best) for one in (train, bare[held]))
    found = Task(traffic.tier, policy, aims, chooses, reports, best)
    for side in (chooses, reports):
        if np.isnan(found.measured(policy.weights[traffic.tier], side).objective):
            raise DataError(
                f"{traffic.tier}: quality or cost of {len(side)} queries is not known: nothing can be weighed against "
                "the other; replay files with costs, or requests with ratings"
            )
    return found


def chances(task: Task, traffic: Traffic, weights: Weights) -> Array:
    """Of each model, (n, m), under the policy with these weights."""
    return probabilities(traffic, task.policy.model_copy(update={"weights": {traffic.tier: weights}}))


def value_of(traffic: Traffic, probability: Array) -> Value:
    values = valued(traffic, probability).values
    return values[EXACT] if EXACT in values else values[Estimator.DOUBLY_ROBUST]


def _side(traffic: Traffic, policy: Policy, best: int) -> Side:
    live = value_of(traffic, probabilities(traffic, policy))
    return Side(traffic, value_of(traffic, always(traffic, best)) if traffic.exact else live, live)


def _held_out(traffic: Traffic, share: float) -> Bools:
    """The last ones of logs; of files those whose hash says so, the same for every selection of rows."""
    limit = share if traffic.exact else float(np.quantile(traffic.order, 1 - share))
    return traffic.order < limit if traffic.exact else traffic.order > limit


def _best_single(traffic: Traffic) -> int:
    """Of the models that may be used: by what they scored, else by what is predicted."""
    usable = np.flatnonzero(traffic.eligible.any(axis=0))
    if isinstance(traffic.outcomes, Full):
        costs = np.nan_to_num(traffic.outcomes.cost_usd)
        return int(usable[best_single(traffic.outcomes.score[:, usable], costs[:, usable])])
    quality = [measure(value_of(traffic, always(traffic, at)))["quality"] for at in usable.tolist()]
    return int(usable[int(np.argmax(quality))])
