"""The routing policy: weights for each tier, and the numbers behind the score. Changed at run time by `user_config`."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from app.domain import QualityTier, Tier
from app.strict import Strict
from app.yaml_file import validate

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Weights(Strict):
    """How much each factor counts for one tier. Only their proportions matter; they may not all be zero.

    `quality_floor`, where it is above 0, goes before them: the cheapest candidate whose P(success) reaches it.
    """

    quality: Share
    cost: Share
    latency: Share
    hint: Share
    quality_floor: Share = 0.0

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.quality + self.cost + self.latency <= 0:
            raise ValueError("quality, cost and latency are all zero; at least one must count")
        return self


class QualityPrior(Strict):
    """P(a model answers well) before any outcome is known: 1 / (1 + exp(-(skill - complexity) / softness)).

    The logistic of the gap between a model's skill and the query's complexity, as in a Rasch model; both 0 to 1.
    """

    skill: Mapping[QualityTier, Share]
    strength_bonus: Share
    softness: Positive

    @model_validator(mode="after")
    def _every_tier(self) -> Self:
        missing = sorted(set(QualityTier) - set(self.skill))
        if missing:
            raise ValueError(f"skill is missing for {', '.join(missing)}")
        return self


class Strength(Strict):
    """How many neighbours of the memory weigh as much as the classifier, where its outcomes cover a query, and as much
    as the prior by quality tier, where they do not.
    """

    classifier: Positive
    prior: Positive


class Exploration(Strict):
    """Of decisions with near-ties, scores within `margin` of the best, the `share` that tries any one of them."""

    share: Share
    margin: Share


class Policy(Strict):
    """One immutable object; a reload swaps it whole."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    weights: Mapping[Tier, Weights]
    quality_prior: QualityPrior
    strength: Strength
    exploration: Exploration
    expected_input_tokens: Annotated[int, Field(gt=0)]
    expected_output_tokens: Annotated[int, Field(gt=0)]
    full_confidence_margin: Positive
    domain_similarity_floor: Share
    embedding_timeout_ms: Positive
    classifier_timeout_ms: Positive
    memory_timeout_ms: Positive
    decision_timeout_ms: Positive

    @model_validator(mode="after")
    def _every_tier(self) -> Self:
        missing = sorted(set(Tier) - set(self.weights))
        if missing:
            raise ValueError(f"weights are missing for {', '.join(missing)}")
        return self

    @classmethod
    def read(cls, user_config: Mapping[str, Any], where: str) -> Self:
        """Raises ConfigError naming `where` and the key."""
        return validate(dict(user_config), cls, where)
