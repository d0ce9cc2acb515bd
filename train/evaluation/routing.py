"""How good the choices on a set are: every contender's figures, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from train.bootstrap import Interval, differences, intervals
from train.curves import Policies
from train.evaluation.contenders import BEST, CLASSIFIER, LENGTH, NEIGHBOURS, SINGLES, Contender
from train.evaluation.sets import RoutingSet
from train.metrics import Array, Calibration, Chosen, Metric
from train.pair import Pair

RIVALS = (NEIGHBOURS, LENGTH, SINGLES, BEST)
Figures = Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points by rising `x`: shares of strong calls, 0 to 1, or mean costs in USD a query; `quality` 0 to 1."""

    x: tuple[float, ...]
    quality: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A contender's figures by name; `by_share` and `by_cost` its curves, where it has them.

    `behind`: what the classifier has more than it, figure by figure, on the same draws.
    """

    name: str
    figures: Figures
    by_share: Curve | None
    by_cost: Curve | None
    behind: Figures


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """`share` of the queries on which the classifier thinks best of it; `cost_usd` is the mean of a query."""

    model: str
    score: float
    predicted: float
    share: float
    cost_usd: float | None
    calibration: Figures


@dataclass(frozen=True, slots=True)
class RoutingFigures:
    routing: RoutingSet
    standings: tuple[Standing, ...]
    calibration: Figures
    models: tuple[ModelFigures, ...]


def measured(routing: RoutingSet, success: Array, field: Sequence[Contender]) -> RoutingFigures:
    """`success` (n, m): the classifier's predictions. `field`: the contenders, the classifier among them."""
    metrics = {contender.name: metrics_of(routing, contender) for contender in field}
    own = metrics[CLASSIFIER]
    return RoutingFigures(
        routing=routing,
        standings=tuple(_standing(name, found, own) for name, found in metrics.items()),
        calibration=intervals(Calibration(success, routing.scores)),
        models=tuple(_model(routing, success, column) for column in range(len(routing.models))),
    )


def metrics_of(routing: RoutingSet, contender: Contender) -> dict[type, Metric]:
    found: dict[type, Metric] = {}
    if contender.choice is not None:
        found[Chosen] = Chosen(contender.choice, routing.scores)
    if contender.win is not None and routing.pair is not None:
        weak, strong = routing.pair
        found[Pair] = Pair(contender.win, routing.scores[:, weak], routing.scores[:, strong])
    if contender.policies is not None:
        found[Policies] = Policies(contender.policies, routing.scores[routing.priced], routing.costs[routing.priced])
    return found


def _standing(name: str, metrics: Mapping[type, Metric], own: Mapping[type, Metric]) -> Standing:
    pair, policies = metrics.get(Pair), metrics.get(Policies)
    figures, behind = {}, {}
    for kind, metric in metrics.items():
        figures.update(intervals(metric))
        if name in RIVALS:
            behind.update(differences(own[kind], metric))
    return Standing(
        name=name,
        figures=figures,
        by_share=_curve(*pair.curve()) if isinstance(pair, Pair) else None,
        by_cost=_curve(*policies.curve()) if isinstance(policies, Policies) else None,
        behind=behind,
    )


def _curve(x: Array, quality: Array) -> Curve:
    return Curve(tuple(x.tolist()), tuple(quality.tolist()))


def _model(routing: RoutingSet, success: Array, column: int) -> ModelFigures:
    costs = routing.costs[:, column]
    return ModelFigures(
        model=routing.models[column],
        score=float(routing.scores[:, column].mean()),
        predicted=float(success[:, column].mean()),
        share=float((success.argmax(axis=1) == column).mean()),
        cost_usd=float(np.nanmean(costs)) if not np.isnan(costs).all() else None,
        calibration=intervals(Calibration(success[:, column], routing.scores[:, column])),
    )
