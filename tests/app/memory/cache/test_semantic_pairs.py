"""The shipped threshold and guards keep their promise on the labelled pairs (tests/bench/semantic_cache.py)."""

import pytest

from app.memory.cache.guard_words import GuardConfig
from app.paths import project_path
from app.yaml_file import read_yaml
from tests.bench.semantic_cache import measured, rates, read_pairs, shipped_reader

pytestmark = pytest.mark.integration


def test_less_than_one_wrong_answer_in_a_hundred_and_still_worth_having() -> None:
    pairs = measured(read_pairs(), shipped_reader())
    threshold = read_yaml(project_path("configs/cache_guards.yaml"), GuardConfig).min_similarity

    hit, false_hit, wrong = rates(pairs, threshold, guarded=True)

    assert len(pairs) >= 320
    assert sum(pair.same for pair in pairs) >= 130
    assert hit > 0.4
    assert false_hit < 0.01
    assert wrong < 0.02
