"""Memories for tests."""

from time import time

import numpy

from app.artifacts.minilm import DIMENSIONS
from app.memory.history.memory import Memory, PastOutcome


def vector(angle: float) -> bytes:
    """A unit vector in a plane: the cosine of two is that of the difference of their angles, in degrees."""
    numbers = numpy.zeros(DIMENSIONS, numpy.float32)
    numbers[:2] = numpy.cos(numpy.radians(angle)), numpy.sin(numpy.radians(angle))
    return numbers.tobytes()


def memory(
    request_id: str,
    *outcomes: PastOutcome,
    tenant: str = "a",
    user_id: str = "u",
    angle: float = 0.0,
    age_s: float = 0.0,
) -> Memory:
    """Of an answer by the model of the last outcome."""
    outcomes = outcomes or (PastOutcome("small", output_tokens=10),)
    return Memory(request_id, tenant, user_id, time() - age_s, outcomes, outcomes[-1].model, vector(angle))
