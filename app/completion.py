"""What goes to a model, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

MOST_TOKENS = 2**31 - 1  # a database keeps counts in so many bits


@dataclass(frozen=True, slots=True)
class Prompt:
    """What goes to a model: messages and parameters in OpenAI's chat format, unknown parameters included."""

    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer or of many, as providers count. `cached_input_tokens` is a part of `input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0

    @classmethod
    def counted(cls, input_tokens: int, output_tokens: int, cached_input_tokens: int) -> Self:
        """Of one answer, as somebody else says. Raises ValueError for what is no count, or more than a row can hold."""
        for count in (input_tokens, output_tokens, cached_input_tokens):
            if not isinstance(count, int) or not 0 <= count <= MOST_TOKENS:
                raise ValueError("a count of tokens is no count")
        return cls(input_tokens, output_tokens, cached_input_tokens)


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer. `body` is the answer as an OpenAI `chat.completion` object, JSON encoded."""

    text: str
    usage: Usage
    body: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed answer: an OpenAI `chat.completion.chunk` as JSON. The last one has the usage, if known."""

    data: bytes
    text: str = ""
    usage: Usage | None = None
