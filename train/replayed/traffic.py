"""Stored traffic as arrays: a line a query, a column a model. What was known of it, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.domain import Tier
from train.metrics import Array, Indices

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Full:
    """What every model scored, 0 to 1, what that cost, and how long it took; (n, m), NaN where not known."""

    score: Array
    cost_usd: Array
    latency_ms: Array

    def __getitem__(self, lines: Indices | Bools | slice) -> Self:
        return type(self)(self.score[lines], self.cost_usd[lines], self.latency_ms[lines])


@dataclass(frozen=True, slots=True)
class Logged:
    """What became of the one model that was asked first, `chosen` (n,), with `propensity` (n,) above 0 to 1.

    `reward` (n,) is the rating as 0 to 1; `cost_usd` and `latency_ms` (n,) those of the whole request, fallbacks
    included. NaN where not known.
    """

    chosen: Indices
    propensity: Array
    reward: Array
    cost_usd: Array
    latency_ms: Array

    def __getitem__(self, lines: Indices | Bools | slice) -> Self:
        return type(self)(*(getattr(self, name)[lines] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Traffic:
    """Queries of one tier.

    `eligible` (n, m): what could be chosen. `quality` (n, m) is P(success) and `cost_usd` (n, m) the expected cost, NaN
    where not known, as `latency_ms` (n, m). `latency` and `hint` (n, m) are factors as scored, NaN in a line of `hint`
    without one. `cost` (n, m) is that factor too, None while it depends on the policy: `prices` (m, 2) are USD for a
    token of input and output then, NaN where not known. `order` (n,) is what splits go by: seconds since 1970 in logs,
    else a hash of the question, 0 to 1.
    """

    tier: Tier
    models: tuple[str, ...]
    eligible: Bools
    quality: Array
    cost_usd: Array
    latency_ms: Array
    latency: Array
    hint: Array
    cost: Array | None
    prices: Array
    domain: NDArray[np.str_]
    order: Array
    texts: tuple[str | None, ...]
    outcomes: Full | Logged

    def __len__(self) -> int:
        return len(self.quality)

    def __getitem__(self, lines: Indices | Bools | slice) -> Self:
        at = np.arange(len(self))[lines]
        names = ("eligible", "quality", "cost_usd", "latency_ms", "latency", "hint", "domain", "order", "outcomes")
        return replace(
            self,
            **{name: getattr(self, name)[at] for name in names},
            cost=None if self.cost is None else self.cost[at],
            texts=tuple(self.texts[line] for line in at.tolist()) if self.texts else (),
        )

    @property
    def exact(self) -> bool:
        """Whether what every model did is known."""
        return isinstance(self.outcomes, Full)


@dataclass(frozen=True, slots=True)
class Replay:
    """Traffic by tier, what was passed over, and the sha256 of each source.

    Of outcome files every tier sees the same queries, line by line.
    """

    traffic: Mapping[Tier, Traffic]
    notes: tuple[str, ...]
    sources: Mapping[str, str]

    @property
    def exact(self) -> bool:
        return all(one.exact for one in self.traffic.values())
