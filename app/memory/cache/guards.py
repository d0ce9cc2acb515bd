"""Guards against a cached answer to another question: similar vectors, but not the same meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class GuardFeatures:
    """What two queries have to agree on, read once a query by GuardReader.

    `words` are what is left when function words are gone, as stems, synonyms replaced by one of them, in the order of
    the text. `fixed_order` says that their order decides ("is a square a rectangle"), `roles` which word follows a
    direction or a "not" ("to:km"). `names` are spelt out, each after its stem ("alien:aliens"). `literals` are
    quotations, addresses and identifiers, letter by letter.
    """

    language: str
    code: str
    numbers: tuple[str, ...]
    symbols: str
    negations: int
    questions: tuple[str, ...]
    formats: tuple[str, ...]
    literals: tuple[str, ...]
    names: tuple[str, ...]
    opposites: tuple[str, ...]
    roles: tuple[str, ...]
    words: tuple[str, ...]
    fixed_order: bool

    def encode(self) -> bytes:
        return orjson.dumps(astuple(self))

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """None for what `encode` did not write."""
        try:
            values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in orjson.loads(data)]
            return cls(*values)
        except (ValueError, TypeError):
            return None


_EQUAL = ("language", "code", "numbers", "symbols", "negations", "formats", "literals", "opposites", "roles")
_MANNER = frozenset({"how", "what"})  # often left out: "capital of France" asks what it is


def differ(one: GuardFeatures, other: GuardFeatures) -> str | None:
    """The name of the first guard that tells the two apart, None when none does."""
    for name in _EQUAL:
        if getattr(one, name) != getattr(other, name):
            return name
    if _questions_differ(set(one.questions), set(other.questions)):
        return "questions"
    if sorted(one.words) != sorted(other.words):
        return "words"
    if _order_differs(one, other):
        return "order"
    return "names" if _names_differ(_by_stem(one.names), _by_stem(other.names)) else None


def _questions_differ(one: set[str], other: set[str]) -> bool:
    """Who, when, why and the like have to be the same; what and how exclude each other, but may be left out."""
    return one - _MANNER != other - _MANNER or bool(one and other and not one & other)


def _order_differs(one: GuardFeatures, other: GuardFeatures) -> bool:
    """A part of a question may come first or last ("in Python, ..."), which turns the words around like a ring."""
    if one.words == other.words:
        return False
    if one.fixed_order or other.fixed_order:
        return True
    rings = (other.words[start:] + other.words[:start] for start in range(len(other.words)))
    return one.words not in rings


def _names_differ(one: Mapping[str, set[str]], other: Mapping[str, set[str]]) -> bool:
    """A name has no plural: Alien is not Aliens. Written small in one of the two it may be either."""
    return any(one[stem] != other[stem] for stem in one.keys() & other.keys())


def _by_stem(names: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(name.partition(":")[0], set()).add(name)
    return found
