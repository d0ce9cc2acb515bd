import pytest

from app.domain import Recollection
from app.memory.history.config import MemoryConfig
from app.memory.history.memory import Neighbour, PastOutcome
from app.memory.history.weigh import DAY_S, recollect

CONFIG = MemoryConfig(similarity_floor=0.5, half_life_days=30)


def test_nothing_is_known_without_neighbours() -> None:
    assert recollect([], CONFIG) == Recollection()


def test_the_same_query_a_moment_ago_counts_as_one() -> None:
    found = recollect([Neighbour(1.0, 0.0, (PastOutcome("a", 0.75),))], CONFIG)
    assert (found.success, found.sample_size, found.neighbours) == ({"a": 0.75}, {"a": 1.0}, 1)


@pytest.mark.parametrize(
    ("similarity", "age_days", "certainty", "weight"),
    [(0.75, 0, 1, 0.5), (1, 30, 1, 0.5), (1, 0, 0.5, 0.5), (0.75, 60, 0.5, 0.0625), (1.00001, 0, 1, 1)],
)
def test_what_is_less_similar_older_or_less_certain_weighs_less(
    similarity: float, age_days: float, certainty: float, weight: float
) -> None:
    found = recollect([Neighbour(similarity, age_days * DAY_S, (PastOutcome("a", 0.0, certainty),))], CONFIG)
    assert found.sample_size == pytest.approx({"a": weight})
    assert found.success == {"a": 0.0}


def test_success_is_the_weighted_mean_of_each_model() -> None:
    near = Neighbour(1.0, 0.0, (PastOutcome("a", 1.0), PastOutcome("b", 0.5)))
    far = Neighbour(0.75, 0.0, (PastOutcome("a", 0.0),))
    found = recollect([near, far], CONFIG)
    assert found.success == pytest.approx({"a": 2 / 3, "b": 0.5})
    assert found.sample_size == pytest.approx({"a": 1.5, "b": 1.0})


def test_neighbours_at_or_below_the_floor_do_not_count() -> None:
    outcomes = (PastOutcome("a", 1.0, output_tokens=9),)
    found = recollect([Neighbour(similarity, 0.0, outcomes) for similarity in (0.5, 0.2, -1.0)], CONFIG)
    assert found == Recollection()


def test_an_answer_that_nobody_judged_tells_its_length_only() -> None:
    lengths = [
        PastOutcome("a", None, output_tokens=100),
        PastOutcome("a", 1.0, output_tokens=300),
        PastOutcome("a", 1.0),
    ]
    found = recollect([Neighbour(1.0, 0.0, (one,)) for one in lengths], CONFIG)
    assert found.output_tokens == {"a": 200}
    assert found.sample_size == {"a": 2.0}


def test_what_is_too_old_to_weigh_anything_is_unknown() -> None:
    found = recollect([Neighbour(1.0, 1e9 * DAY_S, (PastOutcome("a", 1.0),))], CONFIG)
    assert (found.success, found.sample_size) == ({}, {})
