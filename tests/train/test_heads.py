"""The torch model: what it computes is what the basis and the formulae of its docstrings say."""

import numpy as np
import torch

from app.artifacts.minilm import POOLED
from app.classifier.inputs import TEXT_INPUTS
from train.basis import Basis
from train.features import Features
from train.heads import COVERED, Heads, Prior
from train.lengths import Lengths
from train.rows import ModelOutcome, Row
from train.targets import targets

RNG = np.random.default_rng(0)
SIZES = (384, POOLED, TEXT_INPUTS)
KNOWN = Features(*(RNG.normal(size=(40, size)).astype(np.float32) for size in SIZES))
ROWS = [Row(str(i), "s", f"q{i}", outcomes={"x": ModelOutcome(1.0), "y": ModelOutcome(0.0)}) for i in range(40)]
TARGETS = targets(ROWS, ["x", "y"])
BASIS = Basis.fit(KNOWN, ["s"] * 40, seed=0)


def heads(bias: dict[str, float], prior: Prior | None = None, lengths: Lengths | None = None) -> Heads:
    columns = TARGETS.values.shape[1]
    biases = torch.zeros(columns)
    for name, value in bias.items():
        biases[slice(*TARGETS.spans[name])] = value
    weight = torch.zeros(BASIS.whitening.shape[1], columns)
    return Heads(BASIS, TARGETS, weight, biases, prior or Prior.none(2), lengths or Lengths.none(len(weight), 2))


def logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def test_the_graph_computes_what_the_basis_computes() -> None:
    made = heads({}).hidden(torch.as_tensor(KNOWN.pooled), torch.as_tensor(KNOWN.text)).numpy()
    assert np.abs(made - BASIS(KNOWN)).max() < 1e-3


def test_success_is_the_heads_where_outcomes_cover_and_the_prior_where_not() -> None:
    prior = Prior(np.float32([logit(0.9), logit(0.5)]), slope=1.0)
    for covered, success in ((0.5, [0.2, 0.2]), (COVERED / 2, [0.55, 0.35]), (1e-6, [0.9, 0.5])):
        model = heads({"success": logit(0.2), "support": logit(covered), "difficulty": 0.0}, prior)
        found = model.figures(KNOWN.pooled[:2], KNOWN.text[:2])
        assert np.abs(found["success"] - success).max() < 1e-3
        assert np.abs(found["support"] - min(1.0, covered / COVERED)).max() < 1e-3


def test_a_prior_falls_with_difficulty_and_ranks_models_by_their_outcomes() -> None:
    difficulty = RNG.uniform(0.05, 0.95, 4000).astype(np.float32)
    chance = 1 / (1 + np.exp(-(np.float32([1.5, 0.0]) - 0.8 * np.log(difficulty / (1 - difficulty))[:, None])))
    success = (RNG.random((4000, 2)) < chance).astype(np.float32)
    success[:1000, 1] = np.nan
    prior = Prior.fit(difficulty, success)
    assert np.abs(prior.skill - [1.5, 0.0]).max() < 0.15
    assert abs(prior.slope - 0.8) < 0.1


def test_a_prior_keeps_falling_whatever_little_data_says() -> None:
    difficulty = np.linspace(0.1, 0.9, 50).astype(np.float32)
    assert Prior.fit(difficulty, (difficulty > 0.5).astype(np.float32)[:, None]).slope >= 0.2
    nobody = Prior.fit(difficulty[:0], np.empty((0, 3), np.float32))
    assert nobody.skill.tolist() == [0, 0, 0]
