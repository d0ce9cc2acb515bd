"""Lengths: learnt where they are known, and right on average."""

import numpy as np
import pytest

from train.lengths import FEW, Lengths

RNG = np.random.default_rng(3)
HIDDEN = RNG.normal(size=(600, 5)).astype(np.float32)
HELD_OUT = np.arange(600) % 10 == 0
TRUTH = np.exp(4 + HIDDEN @ np.float32([0.5, -0.3, 0, 0, 0]) + RNG.normal(0, 0.4, 600)).astype(np.float32)


def predicted(lengths: Lengths) -> np.ndarray:
    return np.exp(HIDDEN @ lengths.weight + lengths.bias)


def test_lengths_follow_the_query_and_their_mean_is_right() -> None:
    found = Lengths.fit(HIDDEN, TRUTH[:, None], HELD_OUT)
    assert found.learnt == 1
    assert found.r2 == pytest.approx(0.34 / (0.34 + 0.16), abs=0.15)
    assert predicted(found)[:, 0].mean() == pytest.approx(TRUTH.mean(), rel=1e-3)
    assert np.corrcoef(np.log(predicted(found)[:, 0]), HIDDEN @ [0.5, -0.3, 0, 0, 0])[0, 1] > 0.95


def test_a_model_with_few_known_lengths_has_none() -> None:
    tokens = np.full((600, 3), np.nan, np.float32)
    tokens[:, 0] = TRUTH
    tokens[: FEW // 2, 1] = TRUTH[: FEW // 2]
    tokens[:, 2] = 0  # nobody counted
    found = Lengths.fit(HIDDEN, tokens, HELD_OUT)
    assert found.learnt == 1
    assert predicted(found)[:, 1:].max() < 1e-6


def test_without_any_length_there_is_none() -> None:
    found = Lengths.fit(HIDDEN, np.full((600, 2), np.nan, np.float32), HELD_OUT)
    assert found.learnt == 0
    assert np.isnan(found.r2)
