"""What tuning aims at: the cost that is saved, less what is missing of quality and speed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.domain import Tier
from app.routing.weights import Positive, Share
from app.strict import Strict
from train.metrics import measure
from train.replayed.value import Value


class Aims(Strict):
    """configs/tuning.yaml says what each means."""

    quality_kept: Mapping[Tier, Share]
    quality_penalty: Positive
    latency_growth: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    latency_penalty: Positive
    validation_share: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _every_tier(self) -> Self:
        if missing := sorted(set(Tier) - set(self.quality_kept)):
            raise ValueError(f"quality_kept is missing for {', '.join(missing)}")
        return self


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a policy on some queries. `quality_kept` and `cost_saved` are shares of the reference's; NaN if not known."""

    quality: float
    cost_usd: float
    latency_ms: float
    quality_kept: float
    cost_saved: float
    objective: float

    def plain(self) -> dict[str, float | None]:
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def standing(value: Value, reference: Value, live: Value, aims: Aims, tier: Tier) -> Standing:
    """All on the same lines. objective = cost_saved - quality_penalty * max(0, wanted - quality_kept) -
    latency_penalty * max(0, growth of latency over the live policy - latency_growth), the last where latency is known.
    """
    own, other, now = (measure(one) for one in (value, reference, live))
    kept = own["quality"] / other["quality"] if other["quality"] > 0 else math.nan
    saved = 1 - own["cost_usd"] / other["cost_usd"] if other["cost_usd"] > 0 else math.nan
    growth = own["latency_ms"] / now["latency_ms"] - 1 if now["latency_ms"] > 0 else 0.0
    slower = 0.0 if math.isnan(growth) else max(0.0, growth - aims.latency_growth)
    short = max(0.0, aims.quality_kept[tier] - kept)
    objective = saved - aims.quality_penalty * short - aims.latency_penalty * slower
    return Standing(own["quality"], own["cost_usd"], own["latency_ms"], kept, saved, objective)
