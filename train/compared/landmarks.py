"""The kind that ships: linear heads on the resemblance to landmark queries, as train_classifier makes them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from train.basis import Basis
from train.compared.examples import Examples, Predictor
from train.compared.logits import probabilities
from train.optimise import PENALTIES, STEPS, Objective, best_penalties, head_losses
from train.targets import Targets

SEED, FOLDS = 11, 10  # of the rows that choose the penalties; across the folds that learners are compared on


@dataclass(frozen=True, slots=True)
class LandmarkLearner:
    name: str = "landmarks"
    about: str = "RBF landmarks, middle layers and text inputs: what ships"
    frozen: bool = True

    def fit(self, examples: Examples) -> Predictor:
        held = examples.folds(FOLDS, SEED) == 0
        rest = np.flatnonzero(~held)
        basis = Basis.fit(examples.features[rest], [examples.rows[line].source for line in rest], SEED)
        hidden, targets = torch.as_tensor(basis(examples.features)), examples.targets
        penalty = _best_penalty(hidden, targets, torch.as_tensor(held))
        weight, bias = _minimised(hidden, targets, penalty[None])

        return lambda _, features: probabilities(targets.heads, torch.as_tensor(basis(features)) @ weight[0] + bias[0])


def _best_penalty(hidden: Tensor, targets: Targets, held: Tensor) -> Tensor:
    """(columns,): of the grid, head by head, what the rows `held` (n,) back prefer."""
    grid = torch.tensor(PENALTIES)[:, None].expand(-1, targets.values.shape[1])
    kept = replace(targets, values=targets.values[~held.numpy()], weights=targets.weights[~held.numpy()])
    weight, bias = _minimised(hidden[~held], kept, grid)
    values, rows = torch.as_tensor(targets.values)[held], torch.as_tensor(targets.weights)[held]
    losses = head_losses(targets.heads, hidden[held] @ weight + bias[:, None], values, rows)
    best = best_penalties(targets.heads, losses)
    penalty = torch.empty(targets.values.shape[1])
    for head, at in zip(targets.heads, best.tolist(), strict=True):
        penalty[list(head.columns)] = PENALTIES[at]
    return penalty


def _minimised(hidden: Tensor, targets: Targets, penalty: Tensor) -> tuple[Tensor, Tensor]:
    """`penalty` (g, k) to weights (g, r, k) and biases (g, k)."""
    weight = torch.zeros(len(penalty), hidden.shape[1], penalty.shape[1], requires_grad=True)
    bias = torch.zeros(penalty.shape, requires_grad=True)
    values, rows = torch.as_tensor(targets.values), torch.as_tensor(targets.weights)
    objective = Objective(targets.heads, hidden, values, rows, penalty)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe")
    optimiser.step(lambda: objective.step(weight, bias))  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()
