"""The value of a policy from logs, where only what the chosen model did is known.

w = P(the policy asks the logged model) / propensity. With r what came of it and q what a model of it expects:
IPS, mean of w r; SNIPS, sum of w r / sum of w (Swaminathan and Joachims 2015); doubly robust, mean of
E_policy[q] + w (r - q) (Dudik, Langford and Li 2011, 1103.4601), right when either propensities or q are. A figure is
of the lines where its r is known: ratings are taken not to depend on the model that answered.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from train.metrics import Array
from train.replayed.traffic import Logged, Traffic
from train.replayed.value import Value

FEW = 30  # effective decisions
MOST_UNSUPPORTED = 0.05
USUAL_WEIGHT = (0.8, 1.25)  # the mean of w is 1 where the logs cover the policy


class Estimator(StrEnum):
    IPS = "ips"
    SNIPS = "snips"
    DOUBLY_ROBUST = "doubly_robust"


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far logs can speak of a policy.

    `rated` of `decisions` have a reward. `effective` is (sum w)^2 / sum w^2 over these. `agreement` is the share of
    decisions whose logged model is the policy's likeliest. `unsupported`: the share of the policy's choices that the
    logs could not have made, as another was certain. `weight` is the mean of w, over all decisions.
    """

    decisions: int
    rated: int
    effective: float
    agreement: float
    unsupported: float
    weight: float

    @classmethod
    def of(cls, lines: Array) -> Self:
        """`lines` as `coverage` gives them, of one tier or several."""
        weight, rated = lines[:, 0], lines[:, 1] > 0
        squares = float((weight[rated] ** 2).sum())
        return cls(
            decisions=len(lines),
            rated=int(rated.sum()),
            effective=float(weight[rated].sum() ** 2 / squares) if squares else 0.0,
            agreement=float(lines[:, 2].mean()),
            unsupported=float(lines[:, 3].mean()),
            weight=float(weight.mean()),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Empty when figures can be believed as far as their intervals go."""
        found = []
        if self.effective < FEW:
            found.append(
                f"only {self.effective:.0f} effective rated decisions of {self.rated}: too few to say anything; "
                "replay a longer time"
            )
        if self.unsupported > MOST_UNSUPPORTED:
            found.append(
                f"{self.unsupported:.0%} of its choices could not have been logged, as another was certain: there "
                "only the predicted quality speaks; explore more, or replay outcome files"
            )
        low, high = USUAL_WEIGHT
        if not low <= self.weight <= high:
            found.append(
                f"the mean weight is {self.weight:.2f} where it should be 1: the logs do not cover its choices"
            )
        return tuple(found)


def estimated(traffic: Traffic, probability: Array, estimator: Estimator) -> Value:
    """`probability` (n, m) of asking each model. `traffic` has logged outcomes."""
    logged = _logged(traffic)
    weight = weights(logged, probability)
    numerators, denominators = [], []
    for result, model in (
        (logged.reward, traffic.quality),
        (logged.cost_usd, traffic.cost_usd),
        (logged.latency_ms, traffic.latency_ms),
    ):
        known = ~np.isnan(result)
        value, below = weight * result, weight if estimator is Estimator.SNIPS else np.ones(len(weight))
        if estimator is Estimator.DOUBLY_ROBUST:
            asked = np.where(probability > 0, model, 0.0)
            expected = model[np.arange(len(model)), logged.chosen]
            value = (probability * asked).sum(axis=1) + weight * (result - expected)
            known &= ~np.isnan(value)
        numerators.append(np.where(known, value, 0.0))
        denominators.append(np.where(known, below, 0.0))
    return Value.of(numerators, denominators)


def coverage(traffic: Traffic, probability: Array) -> Array:
    """What `Overlap.of` reads, (n, 4): w, whether rated, whether the logged model is the likeliest, and unsupported."""
    logged = _logged(traffic)
    same = probability[np.arange(len(probability)), logged.chosen]
    return np.column_stack(
        [
            weights(logged, probability),
            ~np.isnan(logged.reward),
            probability.argmax(axis=1) == logged.chosen,
            np.where(logged.propensity == 1, 1 - same, 0.0),
        ]
    )


def weights(logged: Logged, probability: Array) -> Array:
    """w of each decision, (n,)."""
    found: Array = probability[np.arange(len(probability)), logged.chosen] / logged.propensity
    return found


def _logged(traffic: Traffic) -> Logged:
    assert isinstance(traffic.outcomes, Logged)
    return traffic.outcomes
