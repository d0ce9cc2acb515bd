"""A policy beside the live one on the same traffic: all of it, by tier and by domain, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import Tier
from app.routing.weights import Policy
from train.bootstrap import Interval, intervals
from train.metrics import Array
from train.replayed.estimators import Estimator, Overlap, coverage, estimated
from train.replayed.exact import exact
from train.replayed.policies import probabilities
from train.replayed.traffic import Bools, Full, Replay, Traffic
from train.replayed.value import Change, Value, pooled

EXACT, ALL = "exact", "all"
Figures = Mapping[str, Interval]
Choices = Mapping[Tier, Array]


@dataclass(frozen=True, slots=True)
class Section:
    """`figures`, `live` and `change` by estimator, "exact" where nothing is estimated; empty without a live policy.

    `tier` and `domain` are None where all are meant. `overlap` is the candidate's, None for exact figures.
    """

    tier: Tier | None
    domain: str | None
    queries: int
    figures: Mapping[str, Figures]
    live: Mapping[str, Figures]
    change: Mapping[str, Figures]
    overlap: Overlap | None

    @property
    def name(self) -> str:
        return self.tier or self.domain or ALL

    @property
    def best(self) -> str:
        """The estimator to go by."""
        return EXACT if EXACT in self.figures else Estimator.DOUBLY_ROBUST

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.overlap.warnings if self.overlap else ()


@dataclass(frozen=True, slots=True)
class _Valued:
    """Of one tier."""

    values: Mapping[str, Value]
    coverage: Array | None


def choices(replay: Replay, policy: Policy) -> Choices:
    """The probability of each model, (n, m), by tier."""
    return {tier: probabilities(traffic, policy) for tier, traffic in replay.traffic.items()}


def compared(replay: Replay, candidate: Choices, live: Choices | None = None) -> list[Section]:
    """All traffic first, then each tier, then each domain. Of logs a tier or domain may be too small: see warnings."""
    own = {tier: valued(traffic, candidate[tier]) for tier, traffic in replay.traffic.items()}
    other = None if live is None else {tier: valued(one, live[tier]) for tier, one in replay.traffic.items()}
    every = {tier: np.ones(len(traffic), np.bool_) for tier, traffic in replay.traffic.items()}
    sections = [_section(None, None, every, own, other, replay.exact)]
    sections += [_section(tier, None, {tier: lines}, own, other, replay.exact) for tier, lines in every.items()]
    for domain in sorted({str(name) for traffic in replay.traffic.values() for name in traffic.domain}):
        there = {tier: traffic.domain == domain for tier, traffic in replay.traffic.items()}
        lines = {tier: one for tier, one in there.items() if one.any()}
        sections.append(_section(None, domain, lines, own, other, replay.exact))
    return sections


def valued(traffic: Traffic, probability: Array) -> _Valued:
    if isinstance(traffic.outcomes, Full):
        return _Valued({EXACT: exact(traffic.outcomes, probability)}, None)
    values = {str(one): estimated(traffic, probability, one) for one in Estimator}
    return _Valued(values, coverage(traffic, probability))


def _section(
    tier: Tier | None,
    domain: str | None,
    lines: Mapping[Tier, Bools],
    own: Mapping[Tier, _Valued],
    other: Mapping[Tier, _Valued] | None,
    same_lines: bool,
) -> Section:
    mine = _pooled(lines, own, same_lines)
    live = _pooled(lines, other, same_lines) if other else {}
    covered = [values for at, which in lines.items() if (values := _covered(own[at], which)) is not None]
    return Section(
        tier=tier,
        domain=domain,
        queries=len(next(iter(mine.values())).table),
        figures={name: intervals(value) for name, value in mine.items()},
        live={name: intervals(value) for name, value in live.items()},
        change={name: intervals(Change(mine[name], value)) for name, value in live.items()},
        overlap=Overlap.of(np.vstack(covered)) if covered else None,
    )


def _pooled(lines: Mapping[Tier, Bools], by_tier: Mapping[Tier, _Valued], same_lines: bool) -> dict[str, Value]:
    names: Sequence[str] = list(next(iter(by_tier.values())).values)
    return {
        name: pooled([by_tier[tier].values[name][which] for tier, which in lines.items()], same_lines=same_lines)
        for name in names
    }


def _covered(one: _Valued, which: Bools) -> Array | None:
    return None if one.coverage is None else one.coverage[which]
