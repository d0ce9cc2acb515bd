"""Answers, vectors and guard features for the cache tests."""

from dataclasses import replace
from time import time
from typing import Any

import numpy
import orjson

from app.completion import Completion, Usage
from app.memory.cache.entry import CachedAnswer
from app.memory.cache.guards import GuardFeatures
from app.memory.cache.semantic import Vector

DIMENSIONS = 8
PLAIN = GuardFeatures("en", "", (), "", 0, ("what",), (), (), (), (), (), ("capital", "france"), False)


def body(text: str | None = "Paris", finish_reason: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fake"}
    return orjson.dumps({**head, "choices": [choice], "usage": usage})


def completion(text: str | None = "Paris", finish_reason: str = "stop", **message: Any) -> Completion:
    return Completion(text=text or "", usage=Usage(5, 2), body=body(text, finish_reason, **message))


def answer(text: str = "Paris") -> CachedAnswer:
    return CachedAnswer("medium", Usage(5, 2, 1), body(text), 0.001, time())


def vector(*numbers: float) -> Vector:
    """Unit length; missing numbers are zero."""
    padded = numpy.array([*numbers, *[0.0] * (DIMENSIONS - len(numbers))], numpy.float32)
    unit: Vector = padded / numpy.linalg.norm(padded)
    return unit


def features(*words: str) -> GuardFeatures:
    return replace(PLAIN, words=words)
