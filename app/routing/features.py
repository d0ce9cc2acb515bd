"""Everything that can be read off the text of a query without a neural model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.domain import Domain, TextFeatures
from app.routing.complexity import ComplexityConfig, ComplexityReader
from app.routing.domains import DomainConfig, DomainReader, EvidenceConfig, strongest
from app.routing.language import LanguageConfig, LanguageDetector
from app.routing.lexicon import Words
from app.routing.structure import read_structure
from app.routing.tokens import TokenCounter
from app.yaml_file import read_yaml


class TextFeaturesConfig(BaseModel):
    """configs/text_features.yaml. A longer text is read at its head and its tail, `window_characters` each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_characters: Annotated[int, Field(gt=0)]
    language: LanguageConfig
    evidence: EvidenceConfig
    domains: Mapping[Domain, DomainConfig]
    complexity: ComplexityConfig

    @field_validator("domains")
    @classmethod
    def _not_general(cls, domains: Mapping[Domain, DomainConfig]) -> Mapping[Domain, DomainConfig]:
        if Domain.GENERAL in domains:
            raise ValueError("general has no terms: it is what the other domains leave")
        return domains


class TextFeaturesReader:
    """Reads TextFeatures off a text in well under a millisecond for a usual query, and in linear time for any.

    Tokens count the whole text. Everything else is read off the first and the last
    `window_characters` of it, which is the whole text unless it is long.
    """

    def __init__(self, tokens: TokenCounter, config: TextFeaturesConfig) -> None:
        self.tokens = tokens
        self._window_characters = config.window_characters
        self.language = LanguageDetector(config.language)
        self._domains = DomainReader(config.domains, config.evidence)
        self._complexity = ComplexityReader(config.complexity)

    @classmethod
    def from_files(cls, tokenizer: Path, config: Path) -> Self:
        """`tokenizer` is a tokenizer.json, `config` is configs/text_features.yaml. Raises ConfigError."""
        return cls(TokenCounter.read(tokenizer), read_yaml(config, TextFeaturesConfig))

    def read(self, text: str) -> TextFeatures:
        """Never raises for a str, whatever is in it."""
        tokens = self.tokens.count(text)
        window = _window(text, self._window_characters)
        structure = read_structure(window)
        words = Words.of(structure.prose)
        signals = self._domains.signals(window, words, structure)
        return TextFeatures(
            tokens=tokens,
            sentences=structure.sentences,
            code_blocks=structure.code_blocks,
            inline_code=structure.inline_code,
            questions=structure.questions,
            digits=structure.digits,
            formulae=structure.formulae,
            language=self.language.detect(structure.prose),
            domain=strongest(signals),
            domain_signals=signals,
            complexity=self._complexity.complexity(tokens, words, structure, signals),
        )


def _window(text: str, characters: int) -> str:
    """The head and the tail of a long text, joined by a code fence when the part left out has an odd number of them."""
    if len(text) > 2 * characters:
        odd = text.count("```", characters, len(text) - characters) % 2
        text = f"{text[:characters]}\n{'```' if odd else ''}\n{text[-characters:]}"
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
