"""The words that the guards know, by language: configs/cache_guards.yaml."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

LONGEST_PHRASE = 5
_SHORTEST_STEM = 3


class WordKind(Enum):
    """What a known word says."""

    FILLER = auto()
    NUMBER = auto()
    NEGATION = auto()
    QUESTION = auto()
    FORMAT = auto()
    DIRECTION = auto()
    OPPOSITE = auto()
    SYNONYM = auto()


Terms = Annotated[list[str], Field(min_length=1)]


class LanguageWords(BaseModel):
    """One language. A term is a word or a phrase of up to 5 words, in lower case without punctuation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    capitals_are_names: bool = Field(description="Whether a capital within a sentence makes a name.")
    endings: dict[str, str] = Field(description="Endings and what replaces them, so that forms of a word are one.")
    fillers: Terms = Field(description="Words that do not change what is asked.")
    whether: list[str] = Field(description="First words of a question to be answered by yes or no.")
    symmetric: list[str] = Field(description="Words after which the order of the others does not matter.")
    directions: list[str] = Field(description="Words that give the next word its part: from, to, than.")
    negations: Terms = Field(description="Words that deny the next one.")
    loose_negations: Terms = Field(description="Words that deny, but stand elsewhere: don't.")
    numbers: dict[str, str]
    questions: dict[str, Terms] = Field(description="Kinds of question, each with the phrases that ask it.")
    synonyms: list[Terms] = Field(description="Groups of words that mean the same in a question.")
    opposites: list[Annotated[list[Terms], Field(min_length=2)]] = Field(description="Sides, each with its words.")


class GuardConfig(BaseModel):
    """configs/cache_guards.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_similarity: Annotated[float, Field(ge=0, le=1)]
    max_characters: Annotated[int, Field(gt=0)]
    formats: dict[str, Terms]
    languages: Mapping[str, LanguageWords]


class Vocabulary:
    """Finds the known terms of one language in a list of words."""

    def __init__(self, words: LanguageWords, formats: Mapping[str, Sequence[str]]) -> None:
        self._endings = sorted(words.endings.items(), key=lambda item: -len(item[0]))
        self._terms: dict[str, tuple[WordKind, str]] = {}
        for kind, term, meaning in _known(words, formats):
            self._terms.setdefault(term, (kind, meaning))
        for kind, term, meaning in _known(words, formats):
            if kind in (WordKind.SYNONYM, WordKind.OPPOSITE) and " " not in term:
                self._terms.setdefault(self.stem(term), (kind, meaning))
        self._longest = _longest_by_first_word(self._terms)
        self._whether = frozenset(map(plain, words.whether))
        self.symmetric = frozenset(meaning for _, meaning in self.read([plain(word) for word in words.symmetric]))
        self.capitals_are_names = words.capitals_are_names

    def share(self, words: Sequence[str]) -> float:
        """How many of the words are function words of this language, 0 to 1."""
        common = (WordKind.FILLER, WordKind.QUESTION, WordKind.NEGATION, WordKind.DIRECTION)
        return sum(self._terms.get(word, (None, ""))[0] in common for word in words) / max(1, len(words))

    def is_filler(self, word: str) -> bool:
        return self._terms.get(word, (None, ""))[0] is WordKind.FILLER

    def asks_whether(self, words: Sequence[str]) -> bool:
        """Whether yes or no is the answer: "is it", but not the polite "can you"."""
        polite = any(" ".join(words[:length]) in self._terms for length in range(2, LONGEST_PHRASE + 1))
        return bool(words) and words[0] in self._whether and not polite

    def stem(self, word: str) -> str:
        for ending, replacement in self._endings:
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
                return _undoubled(word[: len(word) - len(ending)], ending) + replacement
        return word

    def read(self, words: Sequence[str]) -> Iterator[tuple[WordKind | None, str]]:
        """The meaning of each known term, longest first, and the stems of the words in between, with None."""
        at = 0
        while at < len(words):
            for length in range(min(self._longest.get(words[at], 1), len(words) - at), 0, -1):
                if known := self._terms.get(" ".join(words[at : at + length])):
                    break
            else:
                length, stem = 1, self.stem(words[at])
                known = self._terms.get(stem)
            yield known if known else (None, stem)
            at += length


def plain(word: str) -> str:
    """Lower case, without accents, which many leave out."""
    if word.isascii():
        return word.lower()
    letters = unicodedata.normalize("NFKD", word.casefold().replace("’", "'"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _known(words: LanguageWords, formats: Mapping[str, Sequence[str]]) -> Iterator[tuple[WordKind, str, str]]:
    """Every term with its kind and meaning. The first mention of a term counts."""
    groups: list[tuple[WordKind, Mapping[str, Any]]] = [
        (WordKind.QUESTION, words.questions),
        (WordKind.FORMAT, formats),
        (WordKind.NEGATION, {"not": words.negations, "": words.loose_negations}),
        (WordKind.DIRECTION, {direction: [direction] for direction in words.directions}),
        (WordKind.OPPOSITE, {side[0]: side for sides in words.opposites for side in sides}),
        (WordKind.SYNONYM, {group[0]: group for group in words.synonyms}),
        (WordKind.FILLER, {"": words.fillers}),
    ]
    yield from ((WordKind.NUMBER, plain(word), number) for word, number in words.numbers.items())
    for kind, meanings in groups:
        for meaning, terms in meanings.items():
            yield from ((kind, plain(term), meaning) for term in terms)


def _longest_by_first_word(terms: Mapping[str, object]) -> dict[str, int]:
    longest: dict[str, int] = {}
    for term in terms:
        first, *rest = term.split()
        longest[first] = max(longest.get(first, 1), 1 + len(rest))
    return longest


def _undoubled(stem: str, ending: str) -> str:
    """stopp(ing) is stop, but fall(ing) is fall."""
    doubled = ending in ("ing", "ed") and stem[-1] == stem[-2] and stem[-1] not in "lsz"
    return stem[:-1] if doubled else stem
