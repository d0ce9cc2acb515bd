"""Rules as data: what a query's text and features say about the model it should go to. The first match wins."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.domain import Domain, Provider, QualityTier, TextFeatures, Tier
from app.errors import ConfigError
from app.models.catalogue import Catalogue, ModelSpec
from app.routing.lexicon import Regex
from app.strict import Strict
from app.yaml_file import read_yaml

Language = Annotated[str, Field(pattern="^[a-z]{2}$")]


class NotEmpty(Strict):
    """At least one key has to be given."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"is empty; give at least one of: {', '.join(type(self).model_fields)}")
        return self


class Range(NotEmpty):
    """Both ends belong to the range; an end that is not given is open."""

    min: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    max: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self

    def holds(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


class When(NotEmpty):
    """Conditions on a query; all that are given must hold. `matches` is searched in the text, in any case.

    Write `matches` so that it runs in linear time: the text may be long and hostile. It is looked at last.
    """

    matches: Regex | None = None
    tokens: Range | None = None
    complexity: Range | None = None
    questions: Range | None = None
    domain: Annotated[frozenset[Domain], Field(min_length=1)] | None = None
    has_code: bool | None = None
    language: Annotated[frozenset[Language], Field(min_length=1)] | None = None
    tier: Annotated[frozenset[Tier], Field(min_length=1)] | None = None

    def holds(self, text: str, features: TextFeatures, tier: Tier) -> bool:
        return (
            (self.tier is None or tier in self.tier)
            and (self.has_code is None or features.has_code == self.has_code)
            and (self.domain is None or features.domain in self.domain)
            and (self.language is None or features.language in self.language)
            and (self.tokens is None or self.tokens.holds(features.tokens))
            and (self.questions is None or self.questions.holds(features.questions))
            and (self.complexity is None or self.complexity.holds(features.complexity))
            and (self._pattern is None or self._pattern.search(text) is not None)
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return re.compile(self.matches, re.IGNORECASE) if self.matches else None


class Prefer(NotEmpty):
    """Which models a rule prefers: those that fit all that is given. `strengths` asks for one of them, not all."""

    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    provider: Annotated[frozenset[Provider], Field(min_length=1)] | None = None
    quality_tier: Annotated[frozenset[QualityTier], Field(min_length=1)] | None = None
    strengths: Annotated[frozenset[Domain], Field(min_length=1)] | None = None


class Rule(NotEmpty):
    """A certain rule decides and the later stages are skipped; any other is a hint to the score."""

    id: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,63}$")]
    when: When
    certain: bool
    prefer: Prefer


class RuleBook(BaseModel):
    """configs/rules.yaml: the rules in the order in which they are tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...]

    @field_validator("rules")
    @classmethod
    def _unique(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"rule ids must be unique; given more than once: {', '.join(twice)}")
        return rules

    @classmethod
    def read(cls, path: Path, catalogue: Catalogue) -> Self:
        """Raises ConfigError, naming the file and the key; also when a rule names a model the catalogue lacks."""
        book = read_yaml(path, cls)
        for index, rule in enumerate(book.rules):
            unknown = sorted(set(rule.prefer.models or ()) - set(catalogue.models))
            if unknown:
                known = ", ".join(catalogue.models)
                key = f"rules.{index}.prefer.models"
                raise ConfigError(f"{path}: {key}: not in the catalogue: {', '.join(unknown)}; it has: {known}")
        return book

    def matches(self, text: str, features: TextFeatures, tier: Tier) -> Iterator[Rule]:
        """The rules that match, in the order of the file; a caller goes on when no preferred model is eligible."""
        return (rule for rule in self.rules if rule.when.holds(text, features, tier))


def preferred(rule: Rule, model: ModelSpec) -> bool:
    """Whether the rule prefers this model."""
    prefer = rule.prefer
    return (
        (prefer.models is None or model.id in prefer.models)
        and (prefer.provider is None or model.provider in prefer.provider)
        and (prefer.quality_tier is None or model.quality_tier in prefer.quality_tier)
        and (prefer.strengths is None or bool(model.strengths & prefer.strengths))
    )
