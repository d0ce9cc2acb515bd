"""Whether what was measured lets a candidate take the place of what is live."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from train.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class Change:
    """What the candidate has more than the live one on the same `queries`.

    `quality` 0 to 1, in all and by tier; `cost_saved` is a share of the live cost. With `warnings` the estimates are
    not to be believed; `notes` say what was left out.
    """

    quality: Interval
    cost_saved: Interval
    tiers: Mapping[str, Interval]
    queries: int
    estimator: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def refusal(change: Change, max_loss: float) -> str | None:
    """Why it may not be published; None when it may.

    The lower bound of the quality change has to be at least -max_loss, and no tier may be below that with its upper
    bound: what one tier loses is not made up for by another.
    """
    if change.warnings:
        return "the traffic says too little of it: " + "; ".join(change.warnings)
    if math.isnan(change.quality.low):
        return f"of {change.queries} queries too few have a known outcome to say anything of its quality"
    if change.quality.low < -max_loss:
        return f"its quality may be lower by more than {max_loss:g}: by {change.estimator} {change.quality}"
    worse = [f"{tier} {one}" for tier, one in change.tiers.items() if one.high < -max_loss]
    return f"its quality is lower by more than {max_loss:g} for {'; '.join(worse)}" if worse else None
