"""A point of the space, tried on more and more of the queries. Importing this imports Ray."""

import logging
from typing import Any

from ray import tune

from train.tuning.task import Task

SHARES = (0.125, 0.25, 0.5, 1.0)  # of the queries that choose


class WeightsTrial(tune.Trainable):
    """A step a share. The actor is used again for other trials: the queries stay where they are."""

    def setup(self, config: dict[str, Any], task: Task) -> None:  # type: ignore[override]
        logging.getLogger("ray.train").setLevel(logging.WARNING)  # it tells of each checkpoint
        self._task = task
        self._weights = task.space.weights(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._weights = self._task.space.weights(new_config)
        return True

    def step(self) -> dict[str, Any]:
        share = SHARES[self.training_iteration]
        return {"objective": self._task.measured(self._weights, self._task.train, share).objective, "share": share}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a step takes milliseconds."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """See save_checkpoint."""
