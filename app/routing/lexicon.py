"""Finding listed terms in a text, in time that does not grow with the number of terms."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, Field

_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST_STEM = 3
_LONGEST_STEM = 12


def _well_formed(term: str) -> str:
    stem = term.removesuffix("*")
    if term != term.lower() or " ".join(_WORD.findall(stem)) != stem:
        raise ValueError("a term is lower-case words of letters with single spaces between; a regex goes to patterns")
    if term.endswith("*") and (" " in stem or not _SHORTEST_STEM <= len(stem) <= _LONGEST_STEM):
        raise ValueError(f"a stem (word*) is one word of {_SHORTEST_STEM} to {_LONGEST_STEM} letters before the *")
    return term


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"not a valid regular expression: {error}") from error
    return pattern


Term = Annotated[str, Field(min_length=1), AfterValidator(_well_formed)]
Regex = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_compiles)]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in lower case: the distinct ones, their beginnings, and all in one line, spaced."""

    distinct: frozenset[str]
    beginnings: frozenset[str]
    line: str

    @classmethod
    def of(cls, text: str) -> Self:
        words = _WORD.findall(text.lower())
        distinct = frozenset(words)
        lengths = range(_SHORTEST_STEM, _LONGEST_STEM + 1)
        beginnings = frozenset(word[:length] for word in distinct for length in lengths if length <= len(word))
        return cls(distinct, beginnings, f" {' '.join(words)} ")


class Lexicon:
    """Terms to look for: a word, a stem (`optimi*`), or a phrase of several words."""

    def __init__(self, terms: Iterable[str]) -> None:
        terms = frozenset(terms)
        self._stems = frozenset(term[:-1] for term in terms if term.endswith("*"))
        self._phrases = tuple(sorted(f" {term} " for term in terms if " " in term))
        self._words = frozenset(term for term in terms if " " not in term and not term.endswith("*"))

    def count(self, words: Words) -> int:
        """How many distinct terms occur in the text; each counts once, however often it occurs."""
        phrases = sum(phrase in words.line for phrase in self._phrases)
        return len(self._words & words.distinct) + len(self._stems & words.beginnings) + phrases
