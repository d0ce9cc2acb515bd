"""The space that is searched: the ratio of cost and latency to quality, or a quality floor in their place."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from app.routing.weights import Weights

RATIO = (1e-3, 1e3)  # of another weight to that of quality
LADDER = (1e-2, 1e2)  # where choices change most
FLOOR = (0.01, 0.99)
DIGITS = 6
LADDER_SHARE = 4  # a quarter of the trials, so that the whole of the front is known


class Space:
    """`latency`: whether latencies are known; if not, the weight of latency keeps its share."""

    def __init__(self, live: Weights, *, latency: bool) -> None:
        self._live = live
        self._latency = latency

    def __call__(self, trial: Any) -> None:
        """Optuna's define-by-run."""
        if trial.suggest_categorical("floor", [False, True]):
            trial.suggest_float("quality_floor", *FLOOR)
            return
        trial.suggest_float("cost", *RATIO, log=True)
        if self._latency:
            trial.suggest_float("latency", *RATIO, log=True)

    def first(self, trials: int) -> list[dict[str, Any]]:
        """Tried before the search begins: the live weights, then a ladder of cost ratios and of floors."""
        steps = max(0, trials // LADDER_SHARE - 1)
        ratios: list[float] = np.geomspace(*LADDER, steps - steps // 3).tolist()
        floors: list[float] = np.linspace(*FLOOR, steps // 3 + 2)[1:-1].tolist()
        ladder = [self._ratios(ratio, self._ratio(self._live.latency)) for ratio in ratios]
        return [self._own(), *ladder, *({"floor": True, "quality_floor": floor} for floor in floors)]

    def weights(self, config: Mapping[str, Any]) -> Weights:
        """Those of a point. With a floor the other weights stay, for what the floor does not decide."""
        live = self._live
        if config["floor"]:
            return live.model_copy(update={"quality_floor": round(config["quality_floor"], DIGITS)})
        total = live.quality + live.cost + live.latency
        kept = 0.0 if self._latency else min(live.latency / total, 0.9)
        parts = np.array([1.0, config["cost"], config["latency"] if self._latency else 0.0])
        quality, cost, latency = (parts / parts.sum() * (1 - kept)).tolist()
        return Weights(
            quality=round(quality, DIGITS),
            cost=round(cost, DIGITS),
            latency=round(latency if self._latency else kept, DIGITS),
            hint=round(min(1.0, live.hint / total), DIGITS),
        )

    def _own(self) -> dict[str, Any]:
        if self._live.quality_floor > 0:
            return {"floor": True, "quality_floor": float(np.clip(self._live.quality_floor, *FLOOR))}
        return self._ratios(self._ratio(self._live.cost), self._ratio(self._live.latency))

    def _ratios(self, cost: float, latency: float) -> dict[str, Any]:
        return {"floor": False, "cost": cost, **({"latency": latency} if self._latency else {})}

    def _ratio(self, weight: float) -> float:
        quality = self._live.quality
        return float(np.clip(weight / quality if quality > 0 else math.inf, *RATIO))
