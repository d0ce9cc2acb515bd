"""Reads what the guards compare off the text of a query."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from app.memory.cache.guard_words import GuardConfig, Vocabulary, WordKind, plain
from app.memory.cache.guards import GuardFeatures
from app.routing.structure import read_structure

_LITERAL = re.compile(
    r"""https?://\S+ | www\.\S+ | [\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64} | `[^`\n]{1,200}`
      | "[^"\n]{1,200}" | “[^”\n]{1,200}” | „[^“”\n]{1,200}[“”] | «[^»\n]{1,200}» | (?<!\w)'[^'\n]{2,200}'(?!\w)
      | \b[^\W_]+(?:_[^\W_]+)+\b | \b[a-z]+[A-Z]\w*\b | (?<!\w)(?:~?/[\w.-]+){2,} | (?<!\S)--?[a-zA-Z][\w-]*
    """,
    re.VERBOSE,
)
_SYMBOL = re.compile(r"[+*/^=<>≤≥≠×÷√∑∫±≈∞!|&~(){}\[\]]|(?<=[\s\d])[-−](?=[\s\d])")
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_\d]+(?:['’][^\W_\d]+)*(?:\+\+|\#)?|[%$€£¥°]")
_ELISION = re.compile(r"\b(?:[ldjnsmt]|jusqu|lorsqu|puisqu)['’](?=\w)", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_UNITS = {"%": "percent", "$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "°": "degree"}
_SENTENCE_ENDS = ".!?:\n"
_LONGEST_ACRONYM = 5
_CLEARLY = 0.45  # share of function words that settles the language; about half of a question are such words


class _Token(NamedTuple):
    """`is_acronym`, or a capital on its own: no filler, even if it is spelt like one (US, vitamin A).

    `is_name`: it has a capital that no sentence asks for.
    """

    word: str
    is_acronym: bool
    is_name: bool


class GuardReader:
    """`detect` gives the ISO 639-1 code of a text.

    Languages without words in the configuration are held to the letter: only punctuation and case may differ.
    """

    def __init__(self, config: GuardConfig, detect: Callable[[str], str]) -> None:
        self._detect = detect
        self._vocabularies = {
            language: Vocabulary(words, config.formats) for language, words in config.languages.items()
        }

    def read(self, text: str) -> GuardFeatures:
        """Never raises for a str, whatever is in it."""
        text = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
        prose = read_structure(text).prose
        literals = _LITERAL.findall(prose)
        bare = (_LITERAL.sub(" ", prose) if literals else prose).strip()
        tokens = _tokens(bare)
        language = self._language(prose, [plain(token.word) for token in tokens])
        vocabulary = self._vocabularies.get(language)
        symbols = "".join(_SYMBOL.findall(bare.rstrip("!")))
        told = _told(vocabulary, tokens) if vocabulary else _to_the_letter(tokens)
        return GuardFeatures(
            language=language,
            code=_code(text, prose),
            numbers=tuple(sorted(told.numbers)),
            symbols=symbols,
            negations=told.negations,
            questions=tuple(sorted(told.questions)),
            formats=tuple(sorted(told.formats)),
            literals=tuple(sorted(literals)),
            names=tuple(sorted(told.names)),
            opposites=tuple(sorted(told.opposites)),
            roles=tuple(sorted(told.roles)),
            words=tuple(told.words),
            fixed_order=told.fixed_order or bool(symbols),
        )

    def _language(self, prose: str, words: Sequence[str]) -> str:
        """Detected by letters, which errs on short texts, unless the function words say clearly that it is another."""
        detected = self._detect(prose)
        shares = {language: vocabulary.share(words) for language, vocabulary in self._vocabularies.items()}
        best = max(shares, key=shares.__getitem__, default=detected)
        return best if shares.get(best, 0.0) > max(shares.get(detected, 0.0), _CLEARLY) else detected


@dataclass(slots=True)
class _Told:
    """What the words of a text say. `direction` waits for the word that it gives its part to."""

    numbers: list[str] = field(default_factory=list)
    negations: int = 0
    questions: set[str] = field(default_factory=set)
    formats: set[str] = field(default_factory=set)
    opposites: set[str] = field(default_factory=set)
    names: list[str] = field(default_factory=list)
    roles: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    fixed_order: bool = False
    direction: str = ""

    def add(self, kind: WordKind | None, meaning: str) -> None:
        match kind:
            case WordKind.FILLER:
                return
            case WordKind.DIRECTION:
                self.direction = meaning
                return
            case WordKind.NEGATION:
                self.negations += 1
                self.direction = meaning
                return
            case WordKind.QUESTION:
                self.questions.add(meaning)
                return
            case WordKind.FORMAT:
                self.formats.add(meaning)
                return
            case WordKind.NUMBER:
                self.numbers.append(meaning)
            case WordKind.OPPOSITE:
                self.opposites.add(meaning)
        self.words.append(meaning)
        if self.direction:
            self.roles.add(f"{self.direction}:{meaning}")
            self.direction = ""


def _told(vocabulary: Vocabulary, tokens: Sequence[_Token]) -> _Told:
    words = [
        token.word if token.is_acronym and vocabulary.is_filler(plain(token.word)) else plain(token.word)
        for token in tokens
    ]
    told = _Told(fixed_order=vocabulary.asks_whether(words))
    if vocabulary.capitals_are_names:
        names = (plain(token.word).removesuffix("'s") for token in tokens if token.is_name)
        told.names = [f"{vocabulary.stem(name)}:{name}" for name in names]
    for kind, meaning in vocabulary.read(words):
        is_number = kind is None and meaning[0].isdigit()
        told.add(WordKind.NUMBER if is_number else kind, meaning)
    if not vocabulary.symmetric.isdisjoint(told.words):
        told.words.sort()
        told.fixed_order = False
    elif told.fixed_order:
        told.questions.add("whether")
    return told


def _to_the_letter(tokens: Sequence[_Token]) -> _Told:
    words = [token.word.casefold() for token in tokens]
    return _Told(numbers=[word for word in words if word[0].isdigit()], words=["".join(words)])


def _tokens(prose: str) -> list[_Token]:
    prose = _ELISION.sub("", _THOUSANDS.sub("", prose))
    shouted = prose.isupper()
    tokens = []
    for match in _WORD.finditer(prose):
        word = match.group()
        name = not shouted and word[0].isupper() and word != "I" and not _starts_sentence(prose, match.start())
        acronym = word.isupper() and (name if len(word) == 1 else len(word) <= _LONGEST_ACRONYM and not shouted)
        tokens.append(_Token(_UNITS.get(word, word), acronym, name))
    return tokens


def _starts_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \t\"'“«(")
    return not before or before[-1] in _SENTENCE_ENDS


def _code(text: str, prose: str) -> str:
    """A digest of the lines that are not prose; empty without code. Indentation counts, spaces at the end do not."""
    known = set(prose.split("\n"))
    lines = [line.rstrip() for line in text.split("\n") if line not in known and line.strip()]
    return sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""
