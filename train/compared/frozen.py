"""Learners on the frozen encoder: neighbours, linear heads, a small network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from train.baselines import Inputs, Neighbours, Ridge
from train.basis import Projection
from train.compared.examples import Examples, Predictor
from train.compared.logits import loss, probabilities
from train.features import Array32, Features

NINE = 9  # the first of the text inputs: see app/classifier/inputs.py
SEED = 7


@dataclass(frozen=True, slots=True)
class NeighbourLearner:
    k: int = 80
    name: str = "knn"
    about: str = "kNN, the sentence embedding"
    frozen: bool = True

    def fit(self, examples: Examples) -> Predictor:
        learnt = Neighbours.fit(examples.features.vectors, examples.targets.values, self.k)
        return lambda _, features: learnt.predict(features.vectors).astype(np.float32)


@dataclass(frozen=True, slots=True)
class EmbeddingLearner:
    alpha: float = 1000.0
    name: str = "embedding"
    about: str = "linear, the sentence embedding and 9 text features"
    frozen: bool = True

    def fit(self, examples: Examples) -> Predictor:
        inputs = Inputs.fit(examples.features.text[:, :NINE])

        def read(features: Features) -> Array32:
            return inputs(features.vectors, features.text[:, :NINE]).astype(np.float32)

        learnt = Ridge.fit(read(examples.features).astype(np.float64), examples.targets.values, self.alpha)
        return lambda _, features: learnt.predict(read(features).astype(np.float64)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class LayersLearner:
    alpha: float = 1000.0
    name: str = "layers"
    about: str = "linear, middle layers and text inputs"
    frozen: bool = True

    def fit(self, examples: Examples) -> Predictor:
        project = Projection.fit(examples.features)
        learnt = Ridge.fit(project(examples.features).astype(np.float64), examples.targets.values, self.alpha)
        return lambda _, features: learnt.predict(project(features).astype(np.float64)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class NetworkLearner:
    """`rate` of AdamW, per step of `batch` rows; `dropout` of the hidden units."""

    hidden: int = 256
    dropout: float = 0.3
    epochs: int = 20
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.01
    name: str = "mlp"
    about: str = "a layer of 256, middle layers and text inputs"
    frozen: bool = True

    def fit(self, examples: Examples) -> Predictor:
        torch.manual_seed(SEED)
        project, heads = Projection.fit(examples.features), examples.targets.heads
        inputs, values = torch.as_tensor(project(examples.features)), torch.as_tensor(examples.targets.values)
        layers = nn.Linear(inputs.shape[1], self.hidden), nn.ReLU(), nn.Dropout(self.dropout)
        network = nn.Sequential(*layers, nn.Linear(self.hidden, values.shape[1]))
        optimiser = torch.optim.AdamW(network.parameters(), self.rate, weight_decay=self.decay)
        for _ in range(self.epochs):
            for lines in torch.randperm(len(inputs)).split(self.batch):  # type: ignore[no-untyped-call]
                optimiser.zero_grad()
                torch.autograd.backward(loss(heads, network(inputs[lines]), values[lines]))
                optimiser.step()
        network.eval()

        def predict(_: Sequence[str], features: Features) -> Array32:
            with torch.no_grad():
                return probabilities(heads, network(torch.as_tensor(project(features))))

        return predict
