"""Who is measured on a set: the classifier, and what it has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from train.baselines import Neighbours, oracle, query_length, random_predictions
from train.curves import best_single, hull, singles, sweep
from train.errors import DataError
from train.evaluation.sets import RoutingSet
from train.features import Array32
from train.metrics import Array, Indices
from train.pair import THRESHOLDS
from train.pool import scores
from train.questions import fold, normalised
from train.rows import Row

FOLDS = 5
CLASSIFIER, NEIGHBOURS, LENGTH, RANDOM, ORACLE = "classifier", "kNN", "query length", "random", "oracle"
CHEAPEST, BEST, SINGLES = "cheapest", "best single", "single models"


@dataclass(frozen=True, slots=True)
class Contender:
    """`win` (n,) orders the queries by what the strong model adds; `choice` (n,) are the models chosen at any price;
    `policies` (k, priced n) are those between price and quality. None: not defined for it.
    """

    name: str
    win: Array | None = None
    choice: Indices | None = None
    policies: Indices | None = None


def contenders(routing: RoutingSet, success: Array, neighbours: Array | None) -> tuple[Contender, ...]:
    """`success` and `neighbours` (n, m): what the classifier and the kNN predict; no kNN when None."""
    n, m = routing.scores.shape
    found = [predicting(CLASSIFIER, routing, success)]
    if neighbours is not None:
        found.append(predicting(NEIGHBOURS, routing, neighbours))
    found += [_by_length(routing), predicting(RANDOM, routing, random_predictions(n, m))]
    if routing.priced.any():
        cheapest = int(np.nanmean(routing.costs, axis=0).argmin())
        found.append(Contender(CHEAPEST, choice=np.full(n, cheapest)))
        found.append(Contender(SINGLES, policies=singles(int(routing.priced.sum()), m)))
    found.append(Contender(BEST, choice=np.full(n, best_single(routing.scores, np.nan_to_num(routing.costs)))))
    found.append(predicting(ORACLE, routing, oracle(routing.scores), routing.costs))
    return tuple(found)


def neighbours_of_others(routing: RoutingSet, vectors: Array32) -> Array | None:
    """What the kNN predicts, (n, m), when each fifth learns from the other four. None when there is only one fifth."""
    sides = np.array([fold(row.query, FOLDS) for row in routing.rows])
    found = np.empty_like(routing.scores)
    if len(set(sides.tolist())) == 1:
        return None
    for side in set(sides.tolist()):
        held, rest = sides == side, sides != side
        found[held] = Neighbours.fit(vectors[rest], routing.scores[rest]).predict(vectors[held])
    return found


def teaching(routing: RoutingSet, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Those of `rows` that neighbours may be taken from: with outcomes of the set's models, and none of its questions.

    Raises DataError when a model has no outcome in them.
    """
    asked = {normalised(row.query) for row in routing.rows}
    useful = [row for row in rows if not row.outcomes.keys().isdisjoint(routing.models)]
    left = tuple(row for row in useful if normalised(row.query) not in asked)
    if unknown := [model for model in routing.models if not any(model in row.outcomes for row in left)]:
        raise DataError(
            f"{routing.name}: the rows of --knn have no outcome of {', '.join(unknown)}; add rows, or files"
        )
    return left


def neighbours_of(routing: RoutingSet, vectors: Array32, taught: Sequence[Row], their_vectors: Array32) -> Array:
    """What the kNN predicts, (n, m), from the rows of `teaching` and their vectors (rows, 384)."""
    known = scores(taught, routing.models).astype(np.float64)
    return Neighbours.fit(their_vectors, known).predict(vectors)


def predicting(name: str, routing: RoutingSet, predicted: Array, costs: Array | None = None) -> Contender:
    """`costs` (n, m) when each query's own are foreseen, otherwise the mean of each model."""
    priced = routing.priced
    policies = None
    if priced.any():
        paid = routing.costs[priced].mean(axis=0) if costs is None else costs[priced]
        policies = sweep(predicted[priced], paid)
    win = predicted[:, routing.pair[1]] - predicted[:, routing.pair[0]] if routing.pair else None
    return Contender(name, win, predicted.argmax(axis=1).astype(np.int64), policies)


def _by_length(routing: RoutingSet) -> Contender:
    """The longest queries go to the dearer of two models: of each two neighbours on the hull of the single models."""
    length, priced = query_length([row.query for row in routing.rows]), routing.priced
    if not priced.any():
        return Contender(LENGTH, win=length)
    cost, score = routing.costs[priced].mean(axis=0), routing.scores[priced].mean(axis=0)
    corners = zip(*hull(cost, score), strict=True)
    ladder = [int(np.flatnonzero((cost == x) & (score == y))[0]) for x, y in corners]
    thresholds = np.quantile(length[priced], np.linspace(0, 1, THRESHOLDS))
    policies = [np.full(int(priced.sum()), ladder[0])]
    policies += [np.where(length[priced] >= t, dear, cheap) for cheap, dear in pairwise(ladder) for t in thresholds]
    return Contender(LENGTH, win=length, policies=np.array(policies))
