"""What a text is about, by the words it uses."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.domain import Domain
from app.routing.lexicon import Lexicon, Regex, Term, Words
from app.routing.structure import Structure

Share = Annotated[float, Field(ge=0, le=1)]


class DomainConfig(BaseModel):
    """The terms of one domain. A strong term nearly settles it, a weak one hints; patterns are searched in the text.

    `code` and `formulae` say how much a text with code, or with a formula, speaks for the domain, 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    strong: tuple[Term, ...] = ()
    weak: tuple[Term, ...] = ()
    patterns: tuple[Regex, ...] = ()
    code_blocks: Share = 0.0
    inline_code: Share = 0.0
    formulae: Share = 0.0


class EvidenceConfig(BaseModel):
    """What one strong term (or one pattern that matches) and one weak term speak for their domain, 0 to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strong: Share
    weak: Share


class DomainReader:
    """Evidence adds up as a noisy-or: signal = 1 - product(1 - evidence), over the distinct terms found.

    `general` is what the others leave: 1 - the strongest of them. So a domain is named when its signal reaches 0.5.
    """

    def __init__(self, domains: Mapping[Domain, DomainConfig], evidence: EvidenceConfig) -> None:
        self._evidence = evidence
        self._domains = [
            (domain, config, Lexicon(config.strong), Lexicon(config.weak), _compiled(config.patterns))
            for domain, config in domains.items()
        ]

    def signals(self, text: str, words: Words, structure: Structure) -> dict[Domain, float]:
        """The evidence for each domain, 0 to 1."""
        doubt_strong, doubt_weak = 1 - self._evidence.strong, 1 - self._evidence.weak
        signals = {}
        for domain, config, strong, weak, patterns in self._domains:
            doubt: float = doubt_strong ** strong.count(words) * doubt_weak ** weak.count(words)
            doubt *= doubt_strong ** sum(1 for pattern in patterns if pattern.search(text))
            signals[domain] = 1 - doubt * _structural_doubt(config, structure)
        signals[Domain.GENERAL] = 1 - max(signals.values(), default=0.0)
        return signals


def strongest(signals: Mapping[Domain, float]) -> Domain:
    """The domain with the strongest signal; the first of them when they are equal."""
    return max(signals, key=lambda domain: signals[domain])


def _structural_doubt(config: DomainConfig, structure: Structure) -> float:
    doubt = 1.0
    if structure.code_blocks:
        doubt *= 1 - config.code_blocks
    if structure.inline_code:
        doubt *= 1 - config.inline_code
    if structure.formulae:
        doubt *= 1 - config.formulae
    return doubt


def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
