"""The trained classifier in torch: from the encoder's layers and the text inputs to figures from 0 to 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.classifier.model import OUTPUTS
from train.basis import CLIP, GAMMA, TEXT_SCALE, Basis
from train.features import Array32
from train.lengths import Lengths
from train.targets import Targets

COVERED = 0.03  # P(the model's outcomes come from such queries) from which its head is trusted whole
LEAST, MOST = 0.2, 2.0  # of the slope: success falls with difficulty, whatever little data says
RARE = 1e-4
LONGEST = 11.0  # ln of some 60,000 tokens


@dataclass(frozen=True, slots=True)
class Prior:
    """P(success) where a model's outcomes say nothing: sigmoid(skill - slope x logit(difficulty)), a Rasch model."""

    skill: Array32
    slope: float

    @classmethod
    def none(cls, models: int) -> "Prior":
        """Before anything was fitted."""
        return cls(np.zeros(models, np.float32), 1.0)

    @classmethod
    def fit(cls, difficulty: Array32, success: Array32) -> "Prior":
        """`difficulty` (n,) as predicted for rows not trained on; `success` (n, models), NaN where unknown."""
        known = torch.as_tensor(~np.isnan(success))
        target, logit = torch.as_tensor(np.nan_to_num(success)), _logit(torch.as_tensor(difficulty))
        skill, slope = torch.zeros(success.shape[1], requires_grad=True), torch.ones(1, requires_grad=True)
        optimiser = torch.optim.LBFGS([skill, slope], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimiser.zero_grad()
            z = skill - slope * logit[:, None]
            each = functional.binary_cross_entropy_with_logits(z, target, reduction="none")
            loss = (each * known).sum() + (skill**2).sum() / 2 + ((slope - 1) ** 2).sum()
            torch.autograd.backward(loss)
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        return cls(skill.detach().numpy(), float(slope.detach().clamp(LEAST, MOST)))


class Heads(nn.Module):
    """`pooled` (n, POOLED) and `text` (n, TEXT_INPUTS) to complexity, difficulty, domain, success, support and length.

    complexity = sum over the scales of P(scale) x P(level on this scale): a LeetCode "simple" is no chat "simple".
    success = s x sigmoid(head) + (1 - s) x prior, with the support s = min(1, P(covered) / COVERED).
    """

    pooled_mean: Tensor
    pooled_scale: Tensor
    text_mean: Tensor
    text_scale: Tensor
    directions: Tensor
    landmarks: Tensor
    landmark_norms: Tensor
    whitening: Tensor
    weight: Tensor
    bias: Tensor
    skill: Tensor

    def __init__(
        self, basis: Basis, targets: Targets, weight: Tensor, bias: Tensor, prior: Prior, lengths: Lengths
    ) -> None:
        """`weight` (r, k) and `bias` (k,) for the columns of `targets`."""
        super().__init__()
        for name, array in _constants(basis).items():
            self.register_buffer(name, torch.as_tensor(array))
        self.register_buffer("weight", torch.cat([weight, torch.as_tensor(lengths.weight)], 1))
        self.register_buffer("bias", torch.cat([bias, torch.as_tensor(lengths.bias)]))
        self.register_buffer("skill", torch.as_tensor(prior.skill))
        self._slope, self._columns = prior.slope, len(bias)
        self._spans, self._scales = targets.spans, targets.scales

    def forward(self, pooled: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        z = self.hidden(pooled, text) @ self.weight + self.bias
        part = {name: z[:, start:stop] for name, (start, stop) in self._spans.items()}
        difficulty = torch.sigmoid(part["difficulty"])
        support = torch.clamp(torch.sigmoid(part["support"]) / COVERED, max=1.0)
        prior = torch.sigmoid(self.skill - self._slope * _logit(difficulty))
        success = support * torch.sigmoid(part["success"]) + (1 - support) * prior
        levels = torch.softmax(part["complexity"].reshape(-1, len(self._scales), 3), 2)
        complexity = (torch.softmax(part["scale"], 1)[:, :, None] * levels).sum(1)
        length = torch.exp(torch.clamp(z[:, self._columns :], max=LONGEST))
        return complexity, difficulty, torch.softmax(part["domain"], 1), success, support, length

    def hidden(self, pooled: Tensor, text: Tensor) -> Tensor:
        """What `Basis` computes, as a graph."""
        layers = ((pooled - self.pooled_mean) * self.pooled_scale) @ self.directions
        counts = torch.clamp((text - self.text_mean) * self.text_scale, -CLIP, CLIP) * TEXT_SCALE
        inputs = torch.cat([layers, counts], 1)
        squared = (inputs**2).sum(1, keepdim=True) + self.landmark_norms - 2 * (inputs @ self.landmarks)
        return torch.exp(-GAMMA * torch.clamp(squared, min=0)) @ self.whitening

    def figures(self, pooled: Array32, text: Array32) -> dict[str, Array32]:
        """By output, as `QueryClassifier.figures`."""
        with torch.no_grad():
            found = self(torch.as_tensor(pooled), torch.as_tensor(text))
        return {name: values.numpy() for name, values in zip(OUTPUTS, found, strict=True)}


def _constants(basis: Basis) -> Mapping[str, Array32]:
    projection, pooled = basis.projection, len(basis.projection.directions)
    return {
        "pooled_mean": projection.mean[:pooled],
        "pooled_scale": projection.scale[:pooled],
        "text_mean": projection.mean[pooled:],
        "text_scale": projection.scale[pooled:],
        "directions": projection.directions,
        "landmarks": np.ascontiguousarray(basis.landmarks.T),
        "landmark_norms": (basis.landmarks**2).sum(axis=1),
        "whitening": basis.whitening,
    }


def _logit(share: Any) -> Any:
    share = torch.clamp(share, RARE, 1 - RARE)
    return torch.log(share / (1 - share))
