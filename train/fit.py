"""Runs the training of the heads on Ray Train and brings the weights home.

Imports Ray late: it decides how to prove itself to a cluster when it is imported, see cluster.py.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.errors import DataError
from train.features import Array32
from train.targets import Targets

KEPT = 2  # checkpoints


@dataclass(frozen=True, slots=True)
class Workers:
    """How many, what each books, and where they leave checkpoints: a folder that all of them reach."""

    count: int
    cpus: float
    gpu: bool
    folder: Path


@dataclass(frozen=True, slots=True)
class Fitted:
    """`weight` (r, k) and `bias` (k,): of the final phase, trained on all rows, and of the select phase, trained
    without the validation rows. `penalties` by head, in the order of the heads.
    """

    weight: Tensor
    bias: Tensor
    select_weight: Tensor
    select_bias: Tensor
    penalties: tuple[float, ...]


def fit(hidden: Array32, targets: Targets, held_out: NDArray[np.bool_], workers: Workers, seed: int) -> Fitted:
    """`hidden` (n, r). Goes on from the last checkpoint in the folder. Raises DataError when training fails."""
    import ray
    from ray.train.torch import TorchTrainer

    from train.optimise import CHECKPOINT, train_heads

    arrays = ray.put({"hidden": hidden, "values": targets.values, "rows": targets.weights, "held_out": held_out})
    threads = max(1, math.floor(workers.cpus))
    config = {"heads": targets.heads, "arrays": [arrays], "threads": threads, "seed": seed}
    try:
        result = TorchTrainer(train_heads, train_loop_config=config, **_scaling(workers)).fit()
    except Exception as error:  # Ray Train's own errors wrap whatever failed in a worker
        raise DataError(f"training failed: {error}") from error
    if result.checkpoint is None:
        raise DataError("training left no checkpoint; see the log of the workers above")
    with result.checkpoint.as_directory() as folder:
        state: dict[str, Any] = torch.load(Path(folder) / CHECKPOINT, "cpu", weights_only=True)
    return _fitted(state, targets)


def _scaling(workers: Workers) -> dict[str, Any]:
    from ray.train import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig

    resources = {"CPU": workers.cpus, **({"GPU": 1.0} if workers.gpu else {})}
    run = RunConfig(  # type: ignore[call-arg]
        name="heads",
        storage_path=str(workers.folder.resolve()),
        checkpoint_config=CheckpointConfig(num_to_keep=KEPT),
        failure_config=FailureConfig(max_failures=2),
        logging_config=LoggingConfig(log_level="WARNING"),
    )
    scaling = ScalingConfig(num_workers=workers.count, use_gpu=workers.gpu, resources_per_worker=resources)
    return {"scaling_config": scaling, "run_config": run}


def _fitted(state: dict[str, Any], targets: Targets) -> Fitted:
    from train.optimise import PENALTIES

    best = state["best"].tolist()
    chosen = torch.empty(targets.values.shape[1], dtype=torch.int64)
    for head, at in zip(targets.heads, best, strict=True):
        chosen[list(head.columns)] = at
    select, every = state["select"], torch.arange(len(chosen))
    return Fitted(
        weight=state["final"]["weight"][0],
        bias=state["final"]["bias"][0],
        select_weight=select["weight"][chosen, :, every].T.contiguous(),
        select_bias=select["bias"][chosen, every],
        penalties=tuple(PENALTIES[at] for at in best),
    )
