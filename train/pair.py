"""Two models, a weak and a strong one: how much quality a share of strong calls buys. RouteLLM's metrics."""

import numpy as np
from numpy.typing import ArrayLike

from train.errors import DataError
from train.metrics import Array, checked

THRESHOLDS = 11
TARGETS = (0.2, 0.5, 0.8)


class Pair:
    """APGR and CPT as routellm/evals of lm-sys/RouteLLM computes them (Ong et al. 2024, 2406.18665).

    The thresholds are the 11 quantiles 0, 10, ..., 100 % of the win probabilities. A query goes to the strong model
    when its probability reaches the threshold; at the last one none does. So the curve of (share of strong calls, mean
    score) goes from always-strong to always-weak.

    `apgr`: the area under the curve over the share of strong calls (trapezoid), as a part of the gap between
    always-weak (0) and always-strong (1); below 0 and above 1 are possible. `cpt20`, `cpt50`, `cpt80`: the percentage
    of strong calls at which the curve first reaches that part of the gap, linearly interpolated. (RouteLLM
    interpolates with numpy.interp, which is the same where the curve rises, and undefined where it does not. It fails
    on equal quantiles, which here are one point.)
    """

    names = ("apgr", *(f"cpt{target * 100:.0f}" for target in TARGETS))

    def __init__(self, win: ArrayLike, weak: ArrayLike, strong: ArrayLike) -> None:
        """`win` (n,): P(the strong model is better), or any score that orders queries by it. `weak` and `strong` (n,):
        their scores. Raises DataError when the strong model is not better on average.
        """
        low = checked("scores of the weak model", weak, (None,))
        high = checked("scores of the strong model", strong, low.shape)
        order = checked("win probabilities", win, low.shape, least=-np.inf)
        if high.mean() <= low.mean():
            raise DataError(
                f"the strong model scores {high.mean():.3f}, the weak one {low.mean():.3f}: there is no gap to close; "
                "exchange them, or choose another pair"
            )
        # A query of its own as a threshold chooses as a value between two does, without rounding.
        thresholds = np.quantile(order, np.linspace(0, 1, THRESHOLDS), method="higher")
        goes = order[:, None] >= thresholds
        goes[:, -1] = False
        self.table = np.hstack([goes, np.where(goes, high[:, None], low[:, None])])

    def curve(self) -> tuple[Array, Array]:
        """Shares of strong calls, 0 to 1, rising, and the mean scores there: 11 points."""
        means = self.table.mean(axis=0)
        return means[THRESHOLDS - 1 :: -1], means[: THRESHOLDS - 1 : -1]

    def figures(self, means: Array) -> Array:
        share, score = means[..., THRESHOLDS - 1 :: -1], means[..., : THRESHOLDS - 1 : -1]
        weak, strong = score[..., :1], score[..., -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            recovered = np.where(strong > weak, (score - weak) / (strong - weak), np.nan)
        apgr = np.trapezoid(recovered, share, axis=-1)
        return np.stack([apgr, *(100 * _reached(share, recovered, target) for target in TARGETS)], axis=-1)


def _reached(share: Array, recovered: Array, target: float) -> Array:
    """The share of strong calls at which `recovered`, from 0 to 1, first comes to `target`. NaN stays NaN."""
    after = np.argmax(recovered >= target, axis=-1)[..., None]
    ends = [
        np.take_along_axis(of, np.maximum(after + step, 0), axis=-1)[..., 0]
        for of in (share, recovered)
        for step in (-1, 0)
    ]
    share_before, share_after, before, reached = ends
    with np.errstate(invalid="ignore", divide="ignore"):
        return share_before + (target - before) / (reached - before) * (share_after - share_before)
