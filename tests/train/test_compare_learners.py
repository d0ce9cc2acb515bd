"""Learners find what can be found, and give figures from 0 to 1 where these are probabilities."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from app.artifacts.minilm import ensure_minilm
from app.domain import Complexity
from train.compared.examples import Examples, Learner, _restricted
from train.compared.frozen import EmbeddingLearner, LayersLearner, NeighbourLearner, NetworkLearner
from train.compared.landmarks import LandmarkLearner
from train.compared.logits import loss, probabilities
from train.compared.tuned import BATCH, Network, _batches, tuned_learners
from train.features import Features
from train.rows import ModelOutcome, Row
from train.targets import Head, Kind, targets

RNG = np.random.default_rng(3)
HEADS = (Head("complexity", Kind.ONE_OF, (0, 1, 2)), Head("success", Kind.EACH, (3, 4)))
UNKNOWN = math.nan


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Several threads for so small matrices only get in each other's way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def examples(count: int = 400) -> Examples:
    """Which model is right, and how hard a query is, shows in the vectors, in the layers and in the words."""
    side = np.arange(count) % 2
    words = [["plus times sum", "poem story rhyme"][one] + f" {at}" for at, one in enumerate(side)]
    rows = tuple(
        Row(
            str(at),
            "test",
            words[at],
            complexity=(Complexity.SIMPLE, Complexity.COMPLEX)[one] if at % 4 > 1 else None,
            outcomes={"a": ModelOutcome(float(one)), "b": ModelOutcome(1.0 - one)} if at % 4 < 2 else {},
        )
        for at, one in enumerate(side.tolist())
    )
    noise = [RNG.normal(0, 1, (count, width)) for width in (384, 1152, 38)]
    for part in noise:
        part[:, :5] += 4 * (2 * side[:, None] - 1)
    vectors, pooled, text = (part.astype(np.float32) for part in noise)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Examples(rows, Features(vectors, pooled, text), _restricted(targets(rows, ["a", "b"])))


LEARNERS = [NeighbourLearner(k=20), EmbeddingLearner(), LayersLearner(), NetworkLearner(epochs=5), LandmarkLearner()]


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
def test_a_learner_finds_a_plain_rule(learner: Learner) -> None:
    every = examples()
    learnt = learner.fit(every[np.arange(300)])
    held = every[np.arange(300, 400)]
    found = learnt(held.texts, held.features)
    side = np.arange(300, 400) % 2
    assert (found.shape, found.dtype) == ((100, 6), np.float32)
    assert ((found[:, 2] > found[:, 0]) == side).mean() > 0.95
    assert ((found[:, 4] > found[:, 5]) == side).mean() > 0.95
    if learner.name in ("mlp", "landmarks"):
        assert ((found >= 0) & (found <= 1)).all()
        assert found[:, :3].sum(axis=1) == pytest.approx(np.ones(100), abs=1e-5)


def test_a_network_is_the_same_when_it_is_trained_again() -> None:
    every, learner = examples(100), NetworkLearner(epochs=2)
    one, other = (learner.fit(every)(every.texts, every.features) for _ in range(2))
    assert one == pytest.approx(other, abs=1e-4)


def test_the_loss_by_hand() -> None:
    """Row 1: complexity, ln 3 at equal logits. Row 2: one model known, ln 2, shared by two models."""
    logits = torch.zeros(2, 5)
    values = torch.tensor([[1, 0, 0, UNKNOWN, UNKNOWN], [UNKNOWN, UNKNOWN, UNKNOWN, 1, UNKNOWN]])
    assert loss(HEADS, logits, values).item() == pytest.approx((math.log(3) + math.log(2) / 2) / 2)


def test_probabilities_by_hand() -> None:
    logits = torch.tensor([[math.log(2), 0, 0, 0, math.log(3)]])
    assert probabilities(HEADS, logits).tolist()[0] == pytest.approx([0.5, 0.25, 0.25, 0.5, 0.75])


@pytest.mark.parametrize("shuffled", [True, False])
def test_batches_have_every_line_once_and_little_padding(shuffled: bool) -> None:
    torch.manual_seed(0)
    ids = [[1] * (1 + at % 50) for at in range(3 * BATCH + 7)]
    batches = list(_batches(ids, shuffled=shuffled))
    assert sorted(line for batch in batches for line in batch.tolist()) == list(range(len(ids)))
    padded = sum(max(len(ids[line]) for line in batch) * len(batch) for batch in batches)
    assert padded < 1.5 * sum(map(len, ids))


@pytest.fixture(scope="module")
def _encoder() -> None:
    ensure_minilm()


@pytest.mark.usefixtures("_encoder")
@pytest.mark.parametrize("at", [0, 1], ids=["lora", "full"])
def test_a_tuned_encoder_learns(at: int) -> None:
    every = examples(160)
    learner = tuned_learners(epochs=6, tokens=16)[at]
    learnt = learner.fit(every[np.arange(120)])
    held = every[np.arange(120, 160)]
    found = learnt(held.texts, held.features)
    assert ((found[:, 4] > found[:, 5]) == np.arange(120, 160) % 2).mean() > 0.9
    alone = learnt(held.texts[:1], held.features)
    assert alone[0] == pytest.approx(found[0], abs=1e-4)  # whatever it is padded with


@pytest.mark.usefixtures("_encoder")
def test_lora_trains_few_weights_and_texts_are_cut() -> None:
    full, lora = Network(5, False, 8), Network(5, True, 8)
    count = [sum(weight.numel() for weight in one.parameters() if weight.requires_grad) for one in (lora, full)]
    assert count[0] < count[1] / 15
    assert [len(ids) for ids in full.ids(["a few words", "word " * 100])] == [5, 8]
