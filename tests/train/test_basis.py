"""The hidden layer, beside a plain reading of its formula."""

import numpy as np

from app.artifacts.minilm import POOLED
from app.classifier.inputs import TEXT_INPUTS
from train import basis
from train.basis import Basis
from train.features import Features


def features(count: int, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    sizes = (384, POOLED, TEXT_INPUTS)
    return Features(*(rng.normal(size=(count, size)).astype(np.float32) for size in sizes))


def test_with_all_directions_hidden_features_give_back_the_kernel() -> None:
    """Nystroem: with every row a landmark, products of hidden features are the kernel of exp(-gamma d^2)."""
    known = features(60)
    learnt = Basis.fit(known, ["a"] * 60, seed=1)
    hidden, inputs = learnt(known).astype(np.float64), learnt.projection(known).astype(np.float64)
    squared = ((inputs[:, None] - inputs[None]) ** 2).sum(axis=-1)
    assert np.abs(hidden @ hidden.T - np.exp(-basis.GAMMA * squared)).max() < 0.01


def test_layers_are_scaled_to_one_length_and_text_is_clipped() -> None:
    known = features(500)
    learnt = Basis.fit(known, ["a"] * 500, seed=1)
    wild = Features(known.vectors, known.pooled, known.text * 1e6)
    inputs = learnt.projection(wild)
    assert np.abs(inputs[:, -TEXT_INPUTS:]).max() <= basis.CLIP * basis.TEXT_SCALE + 1e-6
    squares = (learnt.projection(known)[:, :-TEXT_INPUTS] ** 2).sum(axis=1)
    assert 5 < squares.mean() <= basis.POOLED_NORM**2 + 0.1  # the directions that are left out have the rest


def test_the_same_seed_draws_the_same_landmarks_and_small_sources_are_heard() -> None:
    sources = ["large"] * 4000 + ["small"] * 40
    chosen = basis._draw(sources, seed=3)
    assert (chosen == basis._draw(sources, seed=3)).all()
    assert len(set(chosen.tolist())) == basis.LANDMARKS
    assert (chosen >= 4000).sum() > 30  # 40 of 4,040 rows would be 20 of 2,000 landmarks


def test_an_input_that_never_varies_says_nothing() -> None:
    known = features(50)
    known.text[:, 3] = 7
    learnt = Basis.fit(known, ["a"] * 50, seed=1)
    other = Features(known.vectors, known.pooled, known.text.copy())
    other.text[:, 3] = -7
    assert np.array_equal(learnt(known), learnt(other))
    assert learnt(known[:0]).shape == (0, learnt.whitening.shape[1])
