"""How hard a query looks, from what can be counted in its text."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.domain import Domain
from app.routing.lexicon import Lexicon, Term, Words
from app.routing.structure import Structure

Factor = Literal["tokens", "sentences", "questions", "digits", "formulae", "code", "reasoning", "constraints"]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class FactorConfig(BaseModel):
    """`full_at` is the count at which the factor is 1; `weight` is what the factor then adds to the logit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    full_at: Annotated[int, Field(gt=0)]
    weight: Weight


class ComplexityConfig(BaseModel):
    """The coefficients of `ComplexityReader`, and the terms that it counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bias: Annotated[float, Field(allow_inf_nan=False)]
    factors: Mapping[Factor, FactorConfig]
    domains: Mapping[Domain, Weight]
    reasoning: tuple[Term, ...]
    constraints: tuple[Term, ...]

    @model_validator(mode="after")
    def _complete(self) -> "ComplexityConfig":
        missing = sorted(set(get_args(Factor)) - set(self.factors))
        if missing:
            raise ValueError(f"factors: missing: {', '.join(missing)}")
        return self


class ComplexityReader:
    """complexity = sigmoid(bias + sum(weight x factor) + sum(domain weight x domain signal)), 0 to 1.

    A factor is min(1, ln(1 + count) / ln(1 + full_at)): the first few count most. The counts are tokens, sentences,
    questions, digits, formulae, code (blocks and inline), and the distinct reasoning terms ("prove", "step by step")
    and constraint terms ("at least", "without") in the text.
    """

    def __init__(self, config: ComplexityConfig) -> None:
        self._config = config
        self._reasoning = Lexicon(config.reasoning)
        self._constraints = Lexicon(config.constraints)

    def complexity(self, tokens: int, words: Words, structure: Structure, signals: Mapping[Domain, float]) -> float:
        factors = self.factors(tokens, words, structure)
        logit = self._config.bias
        logit += sum(self._config.factors[name].weight * value for name, value in factors.items())
        logit += sum(weight * signals.get(domain, 0.0) for domain, weight in self._config.domains.items())
        return 1 / (1 + math.exp(-logit))

    def factors(self, tokens: int, words: Words, structure: Structure) -> dict[Factor, float]:
        """The factors of the formula, each 0 to 1."""
        counts: dict[Factor, int] = {
            "tokens": tokens,
            "sentences": structure.sentences,
            "questions": structure.questions,
            "digits": structure.digits,
            "formulae": structure.formulae,
            "code": structure.code_blocks + structure.inline_code,
            "reasoning": self._reasoning.count(words),
            "constraints": self._constraints.count(words),
        }
        return {name: _saturating(count, self._config.factors[name].full_at) for name, count in counts.items()}


def _saturating(count: int, full_at: int) -> float:
    return min(1.0, math.log1p(count) / math.log1p(full_at))
