"""The figures of contenders on a set, worked out by hand, and what the kNN may see."""

from dataclasses import replace

import numpy as np
import pytest

from tests.train.evaluated import MODELS, QUERIES, SCORES, SUCCESS, four, rows
from train.errors import DataError
from train.evaluation.contenders import (
    BEST,
    CHEAPEST,
    CLASSIFIER,
    LENGTH,
    NEIGHBOURS,
    ORACLE,
    RANDOM,
    SINGLES,
    Contender,
    contenders,
    neighbours_of,
    neighbours_of_others,
    teaching,
)
from train.evaluation.routing import RoutingFigures, Standing, measured
from train.evaluation.sets import File, RoutingSet, routing_sets
from train.rows import ModelOutcome, Row

KNN = np.array([[0.5, 0.5]] * 4)
VECTORS = np.eye(4, dtype=np.float32)


def found(routing: RoutingSet, neighbours: np.ndarray | None = KNN) -> RoutingFigures:
    return measured(routing, SUCCESS, contenders(routing, SUCCESS, neighbours))


@pytest.fixture(scope="module")
def of() -> RoutingFigures:
    return found(four())


def values(of: RoutingFigures, name: str) -> dict[str, float]:
    return {figure: interval.value for figure, interval in standing(of, name).figures.items()}


def standing(of: RoutingFigures, name: str) -> Standing:
    return next(one for one in of.standings if one.name == name)


def test_everybody_is_there(of: RoutingFigures) -> None:
    names = [one.name for one in of.standings]
    assert names == [CLASSIFIER, NEIGHBOURS, LENGTH, RANDOM, CHEAPEST, SINGLES, BEST, ORACLE]
    assert [one.name for one in found(four(None), None).standings] == [CLASSIFIER, LENGTH, RANDOM, BEST, ORACLE]


def test_the_classifier_by_hand(of: RoutingFigures) -> None:
    """It gains -0.1, 0.7, 0.4 and 0.1 by the large model: at 3, 2.5, 2, 1.5 and 1 USD it scores 0.75 (thrice), 0.5
    and 0.25."""
    figures = values(of, CLASSIFIER)
    assert figures["quality"] == 0.75
    assert figures["aiq"] == pytest.approx((0.5 * 1 + 0.75 * 1) / 2)
    assert figures["quality_at_50"] == pytest.approx(0.5)  # at 1.5 USD
    assert figures["saved_at_100"] == pytest.approx(1 / 3)  # 2 instead of 3 USD
    assert standing(of, CLASSIFIER).by_cost.x == pytest.approx((1, 2))


def test_the_baselines_by_hand(of: RoutingFigures) -> None:
    assert values(of, CHEAPEST) == {"quality": 0.25}
    assert values(of, BEST) == {"quality": 0.75}
    assert values(of, SINGLES)["aiq"] == pytest.approx(0.5)  # the straight line from 0.25 to 0.75
    assert values(of, ORACLE)["quality"] == 0.75
    assert values(of, ORACLE)["saved_at_100"] == pytest.approx(1 / 3)


def test_query_length_by_hand(of: RoutingFigures) -> None:
    """Two letters and more to the large model: 2.5 USD, 0.75. The hull is 0.25 at 1 USD, 0.75 from 2.5 to 3."""
    figures = values(of, LENGTH)
    assert figures["aiq"] == pytest.approx((0.5 * 1.5 + 0.75 * 0.5) / 2)
    assert "quality" not in figures


def test_a_pair_by_hand() -> None:
    """The five queries that the strong model is needed for are the ones it is sent first, as in test_pair.py."""
    asked = tuple(
        Row(str(i), "test", f"query {i}", outcomes={"s": ModelOutcome(1.0), "w": ModelOutcome(float(i < 5))})
        for i in range(10)
    )
    (routing,) = routing_sets([File("ten", asked)], ["s", "w"])
    success = np.column_stack([np.full(10, 0.95), 0.9 - np.arange(10) / 20])
    figures = values(measured(routing, success, contenders(routing, success, None)), CLASSIFIER)
    assert [figures[name] for name in ("apgr", "cpt20", "cpt50", "cpt80")] == pytest.approx([0.75, 10, 25, 40])
    assert "aiq" not in figures


def test_what_the_classifier_has_more_than_others(of: RoutingFigures) -> None:
    for name in (NEIGHBOURS, LENGTH, SINGLES, BEST):
        own, other = values(of, CLASSIFIER), values(of, name)
        behind = {figure: interval.value for figure, interval in standing(of, name).behind.items()}
        known = {figure: own[figure] - value for figure, value in other.items() if value == value}
        assert {figure: behind[figure] for figure in known} == pytest.approx(known)
    assert standing(of, ORACLE).behind == {}


def test_calibration_and_models_by_hand(of: RoutingFigures) -> None:
    """Off by -0.1, 0.2, 0.3 and 0.1, each in a bin of its own."""
    large, small = of.models
    assert (small.model, small.score, small.cost_usd) == ("small", 0.25, 1.0)
    assert small.predicted == pytest.approx(0.375)
    assert small.calibration["ece"].value == pytest.approx(0.175)
    assert (small.share, large.share) == (0.25, 0.75)
    assert of.calibration["brier"].value == pytest.approx((0.15 + 0.04 + 0.01 + 0.09 + 0.04) / 8)


def test_without_costs_there_is_quality_alone() -> None:
    of = found(four(None))
    assert values(of, CLASSIFIER).keys() == {"quality", "apgr", "cpt20", "cpt50", "cpt80"}
    assert all(one.by_cost is None for one in of.standings)
    assert of.models[0].cost_usd is None


def test_rows_without_a_cost_count_for_quality_only() -> None:
    first, *rest = rows()
    unpriced = replace(first, outcomes={model: ModelOutcome(float(SCORES[model][0])) for model in MODELS})
    (routing,) = routing_sets([File("partly", (unpriced, *rest))], MODELS)
    figures = values(found(routing), CLASSIFIER)
    assert figures["quality"] == 0.75
    assert figures["aiq"] == pytest.approx((1 / 3 * (4 / 3) + 2 / 3 * (2 / 3)) / 2)  # without "a": 0 to 2/3 at 7/3 USD


def test_more_models_than_two_have_no_pair() -> None:
    outcomes = {model: ModelOutcome(0.5, cost) for model, cost in (("a", 1.0), ("b", 2.0), ("c", 3.0))}
    asked = tuple(Row(query, "test", query, outcomes=outcomes) for query in QUERIES)
    (routing,) = routing_sets([File("three", asked)], list("abc"))
    success = np.full((4, 3), 0.5)
    of = measured(routing, success, contenders(routing, success, None))
    assert "apgr" not in values(of, CLASSIFIER)
    assert values(of, LENGTH)["aiq"] == pytest.approx(0.5)  # the hull is the cheapest model alone


def test_neighbours_never_see_the_question_itself() -> None:
    routing = four()
    before = neighbours_of_others(routing, VECTORS)
    for line in range(4):
        scores = routing.scores.copy()
        scores[line] = 1 - scores[line]
        after = neighbours_of_others(replace(routing, scores=scores), VECTORS)
        assert after[line] == pytest.approx(before[line])


def test_neighbours_of_one_fold_do_not_exist() -> None:
    routing = four()
    alone = replace(routing, rows=routing.rows[:1], scores=routing.scores[:1], costs=routing.costs[:1])
    assert neighbours_of_others(alone, VECTORS[:1]) is None


def test_neighbours_from_other_rows() -> None:
    """All of them count, as there are fewer than k, but for those that ask what the set asks."""
    asked = {"large": ModelOutcome(0.8), "small": ModelOutcome(0.4)}
    others = [
        Row("1", "knn", "another", outcomes=asked),
        replace(rows()[0], query="A!"),
        Row("2", "knn", "of others", outcomes={"huge": ModelOutcome(1.0)}),
    ]
    taught = teaching(four(), others)
    assert [row.query for row in taught] == ["another"]
    assert neighbours_of(four(), VECTORS, taught, VECTORS[:1]) == pytest.approx(np.array([[0.8, 0.4]] * 4))
    with pytest.raises(DataError, match=r"four: the rows of --knn have no outcome of large, small"):
        teaching(four(), others[1:])


def test_a_contender_without_anything_has_no_figures() -> None:
    of = measured(four(), SUCCESS, [contenders(four(), SUCCESS, None)[0], Contender("nobody")])
    assert standing(of, "nobody").figures == {}
