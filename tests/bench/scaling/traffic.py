"""A day's requests: a Poisson process whose rate follows the hour, with two peaks and one sudden burst."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.memory.embedder import MAX_WORD_PIECES

DAY_S, HOUR_S = 86_400, 3_600
CACHED, PASSED, RULED, SCORED = range(4)  # what a request asks of the router; a passed one names its model
SHARES = (0.35, 0.15, 0.15, 0.35)
STREAMED = 0.6
OF_SCORED_TO_LLAMA = 0.3  # those that rules decide all go there
RISE_S, HOLD_S, DECAY_S = 60.0, 900.0, 900.0  # of the burst
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Day:
    """Requests a second. In the burst the usual rate is multiplied, within a minute, and for a quarter of an hour."""

    night_per_s: float = 15.0
    morning_per_s: float = 120.0
    evening_per_s: float = 150.0
    burst_hour: float = 11.0
    burst_factor: float = 5.0

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Day":
        """Another day: peaks up to a fifth off, the burst at any hour of daylight, four to six times the usual rate."""
        morning, evening = rng.uniform(0.8, 1.2, 2)
        return cls(
            morning_per_s=120 * morning,
            evening_per_s=150 * evening,
            burst_hour=rng.uniform(8, 21),
            burst_factor=rng.uniform(4, 6),
        )

    def rate(self, seconds: Floats) -> Floats:
        hours = seconds / HOUR_S
        usual = self.night_per_s + sum(
            (peak - self.night_per_s) * np.exp(-(((hours - at) / width) ** 2) / 2)
            for peak, at, width in ((self.morning_per_s, 11.0, 2.0), (self.evening_per_s, 19.5, 2.0))
        )
        since = seconds - self.burst_hour * HOUR_S
        rising = np.clip(since / RISE_S, 0, 1)
        falling = np.exp(-np.clip(since - RISE_S - HOLD_S, 0, None) / DECAY_S)
        rate: Floats = usual * (1 + (self.burst_factor - 1) * rising * falling)
        return rate


@dataclass(frozen=True)
class Requests:
    """Columns, by time of arrival."""

    at_s: Floats
    kind: NDArray[np.int64]
    word_pieces: Floats
    model_s: Floats
    to_llama: NDArray[np.bool_]
    answer_tokens: Floats
    streamed: NDArray[np.bool_]


def requests(day: Day, rng: np.random.Generator) -> Iterator[Requests]:
    """An hour at a time. Within a second the rate is constant."""
    for start in range(0, DAY_S, HOUR_S):
        seconds = np.arange(start, start + HOUR_S, dtype=np.float64)
        counts = rng.poisson(day.rate(seconds))
        at_s = np.sort(np.repeat(seconds, counts) + rng.random(counts.sum()))
        yield drawn(at_s, rng)


def drawn(at_s: Floats, rng: np.random.Generator) -> Requests:
    """Lengths and latencies are log-normal: a median query of 60 word pieces, an answer of 150 tokens after 2.5 s."""
    n = len(at_s)
    kind = rng.choice(len(SHARES), n, p=SHARES)
    llama = (kind == RULED) | ((kind == SCORED) & (rng.random(n) < OF_SCORED_TO_LLAMA))
    return Requests(
        at_s=at_s,
        kind=kind,
        word_pieces=np.minimum(rng.lognormal(np.log(60), 1.0, n), MAX_WORD_PIECES),
        model_s=rng.lognormal(np.log(2.5), 0.8, n),
        to_llama=llama,
        answer_tokens=rng.lognormal(np.log(150), 0.8, n),
        streamed=rng.random(n) < STREAMED,
    )
