"""A set of four queries and two models that is worked out by hand, for the tests of evaluation."""

import numpy as np

from train.evaluation.sets import File, RoutingSet, routing_sets
from train.rows import ModelOutcome, Row

QUERIES = ("a", "bb", "ccc", "dddd")
SCORES = {"small": (1, 0, 0, 0), "large": (1, 1, 1, 0)}
COSTS = {"small": 1.0, "large": 3.0}  # USD
SUCCESS = np.array([[0.8, 0.9], [0.9, 0.2], [0.7, 0.3], [0.2, 0.1]])  # of large, small: models are sorted by name
MODELS = ("large", "small")


def rows(costs: dict[str, float] | None = COSTS) -> list[Row]:
    return [
        Row(
            id=query,
            source="test",
            query=query,
            outcomes={
                model: ModelOutcome(float(scores[line]), None if costs is None else costs[model])
                for model, scores in SCORES.items()
            },
        )
        for line, query in enumerate(QUERIES)
    ]


def file(name: str = "four", costs: dict[str, float] | None = COSTS) -> File:
    return File(name, tuple(rows(costs)))


def four(costs: dict[str, float] | None = COSTS) -> RoutingSet:
    (found,) = routing_sets([file(costs=costs)], MODELS)
    return found
