"""From logits to a loss and to figures from 0 to 1, for the learners in torch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from train.features import Array32
from train.optimise import head_losses
from train.targets import Head, Kind


def loss(heads: Sequence[Head], logits: Tensor, values: Tensor) -> Tensor:
    """The mean log loss a row; a head of many models weighs as much as one of one. `values` (n, k), NaN unknown."""
    width = torch.tensor([len(head.columns) if head.kind is Kind.EACH else 1 for head in heads])
    found = head_losses(heads, logits[None], values, torch.ones(len(values)))[0]
    return (found / width).sum() / len(values)


def probabilities(heads: Sequence[Head], logits: Tensor) -> Array32:
    """(n, k) to (n, k)."""
    found = torch.sigmoid(logits.detach())
    for head in heads:
        if head.kind is Kind.ONE_OF:
            columns = list(head.columns)
            found[:, columns] = torch.softmax(logits.detach()[:, columns], 1)
    array: Array32 = found.numpy()
    return array
