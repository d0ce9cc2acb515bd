"""A provider whose every answer is its own: the question, and the number of the call that it answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import ceil
from typing import Any

from tests.fakes.upstream import CHAT_ANSWER, Behaviour, FakeUpstream, answer, chat_chunk, sse, stream

CALLS = count(1)  # of all echoes of a process: a cached answer of one is none of another


@dataclass
class Echo:
    """The `usual` of an upstream. It speaks /v1/chat/completions, and streams in `pieces`, each followed by a pause."""

    pieces: int = 2
    pause_s: float = 0.0

    def __call__(self, _: str, body: dict[str, Any]) -> Behaviour:
        text = f"{body['messages'][-1]['content']} #{next(CALLS)}"
        if body.get("stream"):
            usage = {"id": "chatcmpl-1", "choices": [], "usage": CHAT_ANSWER["usage"]}
            size = ceil(len(text) / self.pieces)
            texts = [chat_chunk(text[start : start + size]) for start in range(0, len(text), size)]
            chunks = *texts, chat_chunk(finish_reason="stop"), usage, "[DONE]"
            return stream(*map(sse, chunks), pause_s=self.pause_s)
        message = {"role": "assistant", "content": text}
        return answer({**CHAT_ANSWER, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def split(text: str) -> tuple[str, str]:
    """The question and the call of an answer."""
    question, _, call = text.rpartition(" #")
    return question, call


@contextmanager
def echoing(upstream: FakeUpstream) -> Iterator[None]:
    before, upstream.usual = upstream.usual, Echo()
    try:
        yield
    finally:
        upstream.usual = before
