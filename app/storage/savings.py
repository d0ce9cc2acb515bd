"""What the router saved against two ways to do without it, on the same requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.models.catalogue import Prices
from app.models.pricing import cost_usd
from app.storage.parts import Part, total_usage

MIN_RATINGS = 20  # fewer say little about a model


@dataclass(frozen=True, slots=True)
class Baseline:
    """One model for everything: the same tokens at its prices, None when they are unknown. Saved can be negative."""

    model: str
    cost_usd: float | None
    saved_usd: float | None


@dataclass(frozen=True, slots=True)
class Savings:
    """Over answered requests whose cost is known; answers from a cache count with the tokens they would have cost.

    `strongest`: always the strongest model. `best_single`: the cheapest model with at least 20 ratings whose average is
    not below that of all rated requests; None when there is none. `unknown_cost` counts the requests left out.
    """

    requests: int
    unknown_cost: int
    cost_usd: float
    strongest: Baseline
    best_single: Baseline | None


def savings(parts: Sequence[Part], prices: Mapping[str, Prices], strongest: str) -> Savings:
    answered = [part for part in parts if part.error is None]
    known = [part for part in answered if part.cost_known]
    paid = sum(part.cost_usd for part in known)
    singles = [_baseline(known, model, prices[model], paid) for model in _good_enough(answered) if model in prices]
    priced = [(single.cost_usd, single) for single in singles if single.cost_usd is not None]
    return Savings(
        requests=sum(part.requests for part in known),
        unknown_cost=sum(part.requests for part in answered if not part.cost_known),
        cost_usd=paid,
        strongest=_baseline(known, strongest, prices.get(strongest, Prices()), paid),
        best_single=min(priced, key=lambda found: found[0])[1] if priced else None,
    )


def _baseline(parts: Sequence[Part], model: str, prices: Prices, paid_usd: float) -> Baseline:
    cost = cost_usd(prices, total_usage(parts))
    return Baseline(model, cost, None if cost is None else cost - paid_usd)


def _good_enough(parts: Sequence[Part]) -> list[str]:
    """Models rated often enough, and not below the average of all ratings."""
    everything = _average(parts)
    if everything is None:
        return []
    by_model = {
        name: [part for part in parts if part.model == name] for name in {part.model for part in parts} - {None}
    }
    averages = {name: _average(those) for name, those in by_model.items() if _count(those) >= MIN_RATINGS}
    return sorted(name for name, average in averages.items() if name and average is not None and average >= everything)


def _count(parts: Sequence[Part]) -> int:
    return sum(part.ratings for part in parts)


def _average(parts: Sequence[Part]) -> float | None:
    return sum(part.rating_sum for part in parts) / _count(parts) if _count(parts) else None
