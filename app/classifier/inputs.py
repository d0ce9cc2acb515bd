"""What the classifier reads of a text besides the encoder's layers: counts, shares and lengths."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.artifacts.minilm import POOLED
from app.domain import Embedding, Query, TextFeatures

Inputs = NDArray[np.float32]
_WIRE, _WIRE_BYTES = "<f2", 2  # half precision: the classifier's own steps are coarser, and messages are half as long
WINDOW = 5_000  # characters that are read; counting them takes up to two milliseconds

_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OPTION = re.compile(r"^\s*\(?[A-J][.)]\s", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?\n]+")
_LONG_NUMBER_DIGITS = 12
_CHARACTERS = ("+-*/=<>%^", "()[]{}", ".!?", ",;:", "$\\", "\"'`", "_")
_WORDS: tuple[frozenset[str], ...] = (
    frozenset(["if", "for", "while", "else", "elif", "return", "def", "class", "lambda"]),
    frozenset(["not", "no", "never", "none", "except", "without", "unless", "neither", "incorrect", "false"]),
    frozenset(["each", "every", "per", "half", "twice", "times", "total", "remaining", "left", "more", "less", "than"]),
    frozenset(
        ["prove", "show", "derive", "explain", "why", "design", "analyze", "evaluate", "determine", "compute", "find"]
    ),
    frozenset(["if", "when", "then", "given", "suppose", "assume", "let", "such", "where", "which"]),
    frozenset(["i", "you", "my", "me", "your", "we", "please"]),
)
TEXT_INPUTS = 38


@dataclass(frozen=True, slots=True)
class Reading:
    """What the classifier reads of one query. `text` is cut to `WINDOW`; `pooled` is as `packed` gives it."""

    text: str
    features: TextFeatures
    pooled: bytes

    @classmethod
    def of(cls, query: Query, embedding: Embedding) -> Self:
        """Raises ValueError for a query whose model was named: it has no features."""
        if query.features is None:
            raise ValueError(f"request {query.request_id} has no text features; the classifier needs them")
        return cls(query.text[:WINDOW], query.features, embedding.pooled)


def packed(pooled: Inputs) -> list[bytes]:
    """A message for each line of `pooled` (n, POOLED)."""
    return [line.tobytes() for line in pooled.astype(_WIRE)]


def unpacked(messages: Sequence[bytes]) -> Inputs:
    """Shape (len(messages), POOLED). Raises ValueError when a message is not as long as a line."""
    if any(len(message) != POOLED * _WIRE_BYTES for message in messages):
        raise ValueError(f"the means of the encoder's layers are not {POOLED} figures of {_WIRE_BYTES} bytes")
    return np.frombuffer(b"".join(messages), _WIRE).reshape(len(messages), POOLED).astype(np.float32)


def nine(features: TextFeatures) -> list[float]:
    """Seven counts as ln(1 + count), the complexity, and the strongest domain signal."""
    counts = (features.tokens, features.sentences, features.code_blocks, features.inline_code)
    counts += (features.questions, features.digits, features.formulae)  # type: ignore[assignment]
    strongest = max(features.domain_signals.values(), default=0.0)
    return [*np.log1p(counts).tolist(), features.complexity, strongest]


def text_inputs(text: str, features: TextFeatures) -> list[float]:
    """`TEXT_INPUTS` finite figures of a text; counts as ln(1 + count). `features` are those of the same text."""
    return [*nine(features), *_surface(text[:WINDOW])]


def stacked(texts: Sequence[str], features: Sequence[TextFeatures]) -> Inputs:
    """Shape (len(texts), TEXT_INPUTS)."""
    lines = [text_inputs(text, read) for text, read in zip(texts, features, strict=True)]
    return np.array(lines, np.float32).reshape(len(lines), TEXT_INPUTS)


def _surface(text: str) -> list[float]:
    words = _WORD.findall(text)
    lengths = [len(word) for word in words] or [0]
    small = [word.lower() for word in words]
    numbers = [float(number) for number in _NUMBER.findall(text) if len(number) <= _LONG_NUMBER_DIGITS]
    lines = [len(line) for line in text.split("\n")]
    size, count = max(1, len(text)), max(1, len(words))
    counts = [
        len(text),
        len(words),
        len(lines),
        len(numbers),
        max(numbers, default=0.0),
        max(lines),
        sum(lines) / len(lines),
        len(_OPTION.findall(text)),
        sum(length > 8 for length in lengths),
        max(len(sentence.split()) for sentence in _SENTENCE_END.split(text)),
        *(sum(text.count(character) for character in group) for group in _CHARACTERS),
        *(sum(word in group for word in small) for group in _WORDS),
    ]
    shares = [
        sum(lengths) / count,
        len(set(small)) / count,
        sum(word[0].isupper() for word in words) / count,
        sum(character.isdigit() for character in text) / size,
        sum(not character.isascii() for character in text) / size,
        float(text.rstrip().endswith("?")),
    ]
    return [*np.log1p(counts).tolist(), *shares]
