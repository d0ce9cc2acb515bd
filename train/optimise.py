"""Trains the heads: linear models on the basis, convex, by full-batch L-BFGS, on any number of Ray Train workers.

Every penalty of the grid is tried at once, in columns side by side, first on the training rows alone; the penalty with
the least loss on the validation rows wins, head by head, and is used to train once more on all rows. For P(success) it
is the greatest penalty that is hardly worse: a choice depends on small differences between models.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from ray.experimental import tqdm_ray
from torch import Tensor
from torch.nn import functional

from train.targets import Head, Kind

PENALTIES = (0.1, 0.3, 1.0, 3.0)  # times |weights|^2 / 2, against the sum of the losses
STEPS, CHECK_EVERY, PATIENCE = 100, 5, 3
REPORT_EVERY = 20  # steps: Ray Train takes up to two seconds for a checkpoint
ENOUGH = 2e-4  # of the objective, over CHECK_EVERY steps: less is no progress
HARDLY_WORSE = 1.05  # found on folds of the shared data: AIQ rises by up to 0.01
CHECKPOINT = "heads.pt"
Arrays = Mapping[str, Tensor]


class Objective:
    """The penalised loss over all rows of all workers, each holding a share of them. `weight` (g, r, k), `bias` (g, k)
    for the g penalties of `penalty` (g, k)."""

    def __init__(self, heads: Sequence[Head], hidden: Tensor, values: Tensor, rows: Tensor, penalty: Tensor) -> None:
        self._heads, self._hidden, self._values, self._rows = heads, hidden, values, rows
        self._penalty = penalty
        self._world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1

    def step(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Fills in the gradients; returns the objective, the same on every worker."""
        weight.grad = bias.grad = None
        own = head_losses(self._heads, self._hidden @ weight + bias[:, None], self._values, self._rows).sum()
        total = own + (self._penalty[:, None] * weight**2).sum() / 2 / self._world
        torch.autograd.backward(total)
        found = total.detach()
        if self._world > 1:
            for part in (found, weight.grad, bias.grad):
                torch.distributed.all_reduce(part)
        return found


def head_losses(heads: Sequence[Head], logits: Tensor, values: Tensor, rows: Tensor) -> Tensor:
    """Log loss summed over the rows where it is known, (g, heads). `logits` (g, n, k), `values` (n, k), `rows` (n,)."""
    losses = []
    for head in heads:
        columns = list(head.columns)
        z, target = logits[:, :, columns], values[:, columns]
        known = ~torch.isnan(target)
        target = torch.nan_to_num(target)
        if head.kind is Kind.ONE_OF:
            loss = -(torch.log_softmax(z, -1) * target).sum(-1)
        else:
            each = functional.binary_cross_entropy_with_logits(z, target.expand_as(z), reduction="none")
            loss = (each * known).sum(-1)
        losses.append((loss * rows).sum(-1))
    return torch.stack(losses, -1)


def train_heads(config: dict[str, Any]) -> None:
    """The loop of a Ray Train worker. Goes on from its last checkpoint.

    Reports the loss, in the select phase the validation loss too; leaves a checkpoint with `weight` and `bias` of each
    phase.

    `config`: `heads`; `arrays`, a list of one reference to `hidden` (n, r), `values` (n, k), `rows` (n,) and `held_out`
    (n,), true for validation rows; `threads`, `seed`.
    """
    _quiet()
    torch.manual_seed(config["seed"])
    torch.set_num_threads(config["threads"])
    device = ray.train.torch.get_device()
    given = ray.get(config["arrays"][0])
    arrays = {name: torch.as_tensor(array.copy()).to(device) for name, array in given.items()}
    held_out = arrays.pop("held_out")
    state = _restored(device)
    for phase, lines in (("select", ~held_out), ("final", torch.ones_like(held_out))):
        data = {name: array[lines] for name, array in arrays.items()}
        check = {name: array[held_out] for name, array in arrays.items()}
        _Phase(phase, config["heads"], data, check, state).run()


def _quiet() -> None:
    """Ray Train tells of each checkpoint, by loggers named after its files."""
    for name in list(logging.root.manager.loggerDict):
        if "ray/train" in name or name.startswith("ray.train"):
            logging.getLogger(name).setLevel(logging.WARNING)


class _Phase:
    """One training to convergence."""

    def __init__(self, name: str, heads: Sequence[Head], data: Arrays, check: Arrays, state: dict[str, Any]) -> None:
        self._name, self._heads, self._check, self._state = name, heads, check, state
        columns = data["values"].shape[1]
        device = data["hidden"].device
        grid = torch.tensor(PENALTIES, device=device)[:, None].expand(-1, columns)
        penalty = grid if name == "select" else self._chosen(columns)[None]
        context = ray.train.get_context()
        self._rank, world = context.get_world_rank(), context.get_world_size()
        mine = {key: array[self._rank :: world] for key, array in data.items()}
        self._objective = Objective(heads, mine["hidden"], mine["values"], mine["rows"], penalty)
        found = state.get(name) or _start(data["hidden"], penalty.shape)
        self._weight, self._bias = found["weight"].requires_grad_(), found["bias"].requires_grad_()
        self._done: int = found["step"]

    def run(self) -> None:
        if self._done >= STEPS:
            return
        bar: Any = tqdm_ray.tqdm(total=STEPS, desc=self._name) if self._rank == 0 else None
        optimiser = torch.optim.LBFGS(
            [self._weight, self._bias], max_iter=CHECK_EVERY, history_size=20, line_search_fn="strong_wolfe"
        )
        last, best, idle = float("inf"), float("inf"), 0
        while self._done < STEPS:
            closure: Callable[[], Tensor] = lambda: self._objective.step(self._weight, self._bias)  # noqa: E731
            optimiser.step(closure)  # type: ignore[no-untyped-call]
            self._done += CHECK_EVERY
            figures = {"loss": float(closure())}
            if self._name == "select":  # later these rows are trained on
                figures["validation_loss"] = float(self._validation().min(0).values.sum())
                idle = 0 if figures["validation_loss"] < best else idle + 1
                best = min(best, figures["validation_loss"])
            if last - figures["loss"] < ENOUGH * abs(figures["loss"]) or idle >= PATIENCE:
                self._done = STEPS
            last = figures["loss"]
            if bar is not None:
                shown = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
                bar.set_description(f"{self._name}: {shown}")
                bar.update(CHECK_EVERY)
            if self._done % REPORT_EVERY == 0:
                self._report(figures)
        if bar is not None:
            bar.close()

    @torch.no_grad()
    def _validation(self) -> Tensor:
        """(g, heads)."""
        logits = self._check["hidden"] @ self._weight + self._bias[:, None]
        return head_losses(self._heads, logits, self._check["values"], self._check["rows"])

    def _chosen(self, columns: int) -> Tensor:
        """The penalty of each column, by its head's validation loss."""
        penalty = torch.empty(columns, device=self._check["hidden"].device)
        for head, at in zip(self._heads, self._state["best"].tolist(), strict=True):
            penalty[list(head.columns)] = PENALTIES[at]
        return penalty

    def _report(self, figures: Mapping[str, float]) -> None:
        found = {"weight": self._weight.detach(), "bias": self._bias.detach(), "step": self._done}
        self._state[self._name] = found
        if self._name == "select":
            self._state["best"] = best_penalties(self._heads, self._validation())
        metrics = {"phase": self._name, "step": self._done, **figures}
        with tempfile.TemporaryDirectory() as folder:
            if self._rank == 0:
                torch.save(self._state, Path(folder) / CHECKPOINT)
                ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))
            else:
                ray.train.report(metrics)


def best_penalties(heads: Sequence[Head], losses: Tensor) -> Tensor:
    """Which of `PENALTIES`, for each head, by the validation losses (g, heads)."""
    best = losses.argmin(0)
    for at, head in enumerate(heads):
        if head.name == "success":
            good = losses[:, at] <= losses[:, at].min() * HARDLY_WORSE
            best[at] = int(good.nonzero().max())
    return best


def _restored(device: torch.device) -> dict[str, Any]:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return {}
    with checkpoint.as_directory() as folder:
        state: dict[str, Any] = torch.load(Path(folder) / CHECKPOINT, device, weights_only=True)
    return state


def _start(hidden: Tensor, shape: torch.Size) -> dict[str, Any]:
    weight, bias = hidden.new_zeros(shape[0], hidden.shape[1], shape[1]), hidden.new_zeros(shape)
    return {"weight": weight, "bias": bias, "step": 0}
