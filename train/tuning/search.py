"""The search of one tier's weights: Ray Tune with Optuna's TPE and early stopping (ASHA, Li et al. 2018)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before Tune is imported: results and progress are shown by us, and a kill loses the trials of a second at most.
os.environ.update(
    {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0", "TUNE_GLOBAL_CHECKPOINT_S": "1"}
)

import optuna
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from tqdm import tqdm

from app.routing.weights import Weights
from train.tuning.task import Task
from train.tuning.trial import SHARES, WeightsTrial


@dataclass(frozen=True, slots=True)
class Found:
    """A trial that ended. Less than the whole `share` of the queries: it was stopped early."""

    weights: Weights
    share: float


class Progress(tune.Callback):
    """A bar of trials. Tune stores its callbacks: a bar cannot be, so it is made when the first trial ends."""

    def __init__(self, name: str, trials: int) -> None:
        self._name, self._trials = name, trials
        self._bar: Any = None
        self._best = float("-inf")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bar": None}

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        if self._bar is None:
            ended = sum(one.is_finished() for one in trials if one is not trial)
            self._bar = tqdm(total=self._trials, desc=self._name, unit="trial", initial=ended)
        if trial.last_result.get("share") == SHARES[-1]:
            self._best = max(self._best, trial.last_result["objective"])
        self._bar.set_postfix_str(f"objective {self._best:.3f}", refresh=False)
        self._bar.update()

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:  # noqa: ARG002
        if self._bar is not None:
            self._bar.close()


def search(task: Task, folder: Path, *, trials: int, concurrent: int, cpus: float, seed: int) -> Sequence[Found]:
    """Goes on with what is in `folder`. `cpus` are booked for each of `concurrent` trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    measured = tune.with_resources(tune.with_parameters(WeightsTrial, task=task), {"cpu": cpus})
    path = str(folder / task.tier)
    if tune.Tuner.can_restore(path):
        tuner = tune.Tuner.restore(path, trainable=measured, resume_unfinished=True, restart_errored=True)
    else:
        searched = _searched(task, trials, concurrent, seed)
        tuner = tune.Tuner(measured, tune_config=searched, run_config=_run(task.tier, folder, trials))
    results = tuner.fit()
    if results.errors:
        raise results.errors[0]
    ended = [results[at] for at in range(len(results))]
    return [Found(task.space.weights(one.config or {}), (one.metrics or {})["share"]) for one in ended]


def _searched(task: Task, trials: int, concurrent: int, seed: int) -> tune.TuneConfig:
    first = task.space.first(trials)
    return tune.TuneConfig(
        metric="objective",
        mode="max",
        num_samples=trials,
        max_concurrent_trials=concurrent,
        reuse_actors=True,
        search_alg=OptunaSearch(task.space, metric="objective", mode="max", points_to_evaluate=first, seed=seed),
        scheduler=ASHAScheduler(max_t=len(SHARES), grace_period=1, reduction_factor=2),
    )


def _run(name: str, folder: Path, trials: int) -> tune.RunConfig:
    return tune.RunConfig(
        name=name,
        storage_path=str(folder),
        stop={"training_iteration": len(SHARES)},
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        callbacks=[Progress(name, trials)],
        verbose=0,
    )
