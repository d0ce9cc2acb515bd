"""What goes to a model, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_TOKENS = 2**31 - 1  # a database keeps counts in so many bits


@dataclass(frozen=True, slots=True)
class Prompt:
    """What goes to a model: messages and parameters in OpenAI's chat format, unknown parameters included."""

    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them. `cached_input_tokens` is a part of `input_tokens`.

    Raises ValueError for what counts nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0

    def __post_init__(self) -> None:
        for count in (self.input_tokens, self.output_tokens, self.cached_input_tokens):
            if not isinstance(count, int) or not 0 <= count <= MOST_TOKENS:
                raise ValueError("a count of tokens is none")


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
