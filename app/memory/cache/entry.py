"""A complete answer as the caches keep it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from app.completion import Completion, Usage

# An answer cut off by a limit ("length") or by a filter is no answer to give again.
_COMPLETE = frozenset({"stop", "tool_calls", "function_call"})


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """`body` is the answer as an OpenAI `chat.completion` object, JSON encoded, as it was first given.

    `cost_usd` is what it cost then, which is what a hit saves; None when a price is unknown. `created_at` is Unix time.
    """

    model: str
    usage: Usage
    body: bytes
    cost_usd: float | None
    created_at: float

    @classmethod
    def of(cls, completion: Completion, *, model: str, cost_usd: float | None, now: float) -> Self | None:
        """None unless every choice of the answer came to its own end and says something."""
        try:
            choices = orjson.loads(completion.body)["choices"]
            complete = bool(choices) and all(map(_is_complete, choices))
        except (ValueError, LookupError, TypeError, AttributeError):
            complete = False
        if not complete:
            return None
        body = bytes(memoryview(completion.body))  # a copy: what orjson wrote holds up to four times its length
        return cls(model, completion.usage, body, cost_usd, now)

    def completion(self) -> Completion:
        message = orjson.loads(self.body)["choices"][0]["message"]
        return Completion(text=message.get("content") or "", usage=self.usage, body=self.body)

    def encode(self) -> bytes:
        """A line of JSON with everything but the body, then the body."""
        usage = (self.usage.input_tokens, self.usage.output_tokens, self.usage.cached_input_tokens)
        return orjson.dumps([self.model, usage, self.cost_usd, self.created_at]) + b"\n" + self.body

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """None for what `encode` did not write."""
        head, _, body = data.partition(b"\n")
        try:
            model, usage, cost_usd, created_at = orjson.loads(head)
            return cls(model, Usage.counted(*usage), body, cost_usd, created_at)
        except (ValueError, TypeError):
            return None


def _is_complete(choice: Mapping[str, Any]) -> bool:
    message = choice["message"]
    content = message.get("content")
    if isinstance(content, list):  # parts: a stream of it could not be given again
        return False
    says = content or message.get("tool_calls") or message.get("function_call")
    return choice.get("finish_reason") in _COMPLETE and bool(says) and not message.get("refusal")
