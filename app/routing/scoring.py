"""The multi-factor score: quality, cost, latency and hints, weighed for the user's tier; and the choice it leads to."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from app.domain import Candidate, Prediction, Query
from app.models.pricing import expected_cost_usd
from app.routing import choice
from app.routing.estimates import Estimate, support
from app.routing.evidence import Hint
from app.routing.weights import Exploration, Policy


def rank(query: Query, found: Sequence[Estimate], policy: Policy, hint: Hint | None = None) -> tuple[Candidate, ...]:
    """Candidates, best first, see `choice.score` and `choice.order`. Equal ones keep the order of the catalogue.

    Each factor is normalised over the estimates, so that only the differences between eligible models count.
    """
    quality = np.array([estimate.quality for estimate in found])
    costs = np.array([np.nan if estimate.cost_usd is None else estimate.cost_usd for estimate in found])
    factors = {
        "quality": quality,
        "cost": choice.cheapness(costs, _usual_spread_usd(found, policy)),
        "latency": choice.lower_is_better(np.array([estimate.latency_ms for estimate in found])),
    }
    if hint is not None:
        factors["hint"] = np.array([float(estimate.spec.id in hint.models) for estimate in found])
    score = choice.score(factors, policy.weights[query.tier])
    best_first = choice.order(score[None], quality[None], costs[None], floor_of(query, policy))[0]
    return tuple(
        Candidate(
            model=found[at].spec.id,
            score=float(score[at]),
            factors={name: None if np.isnan(values[at]) else float(values[at]) for name, values in factors.items()},
            cost_usd=found[at].cost_usd,
            latency_ms=found[at].latency_ms,
        )
        for at in best_first.tolist()
    )


def floor_of(query: Query, policy: Policy) -> float:
    """The quality floor of this query: the caller's, else that of his tier; 0 for none."""
    asked = query.limits.quality_floor
    return policy.weights[query.tier].quality_floor if asked is None else asked


@dataclass(frozen=True, slots=True)
class Explored:
    """`candidates` in the order in which they are asked; `propensity` is that of the first, above 0 to 1."""

    candidates: tuple[Candidate, ...]
    propensity: float
    explored: bool = False


def explore(candidates: tuple[Candidate, ...], exploration: Exploration, request_id: str) -> Explored:
    """Epsilon-greedy over near-ties: with probability `share`, one of those whose score is within `margin` of the best.

    Each is as likely as the other then, the best too, so its propensity is 1 - share + share / k of k near-ties, and
    that of another share / k. The request's id is the die: a request that is asked again comes out the same.
    """
    near = [item for item in candidates if item.score >= candidates[0].score - exploration.margin]
    if len(near) < 2 or exploration.share <= 0:
        return Explored(candidates, 1.0)
    part = exploration.share / len(near)
    drawn = int.from_bytes(blake2b(request_id.encode("utf-8", "replace"), digest_size=8).digest()) / 2**64
    chosen = near[int(drawn / part)] if drawn < exploration.share else near[0]
    if chosen is candidates[0]:
        return Explored(candidates, 1 - exploration.share + part)
    rest = tuple(item for item in candidates if item is not chosen)
    return Explored((chosen, *rest), part, explored=True)


def explored(query: Query, candidates: tuple[Candidate, ...], policy: Policy) -> Explored:
    """As `explore`; not where a quality floor asks for the cheapest, rather than for one that is about as good."""
    if floor_of(query, policy) > 0:
        return Explored(candidates, 1.0)
    return explore(candidates, policy.exploration, query.request_id)


def confidence(candidates: Sequence[Candidate], policy: Policy, prediction: Prediction | None = None) -> float:
    """0.5 + 0.5 * min(1, margin / full_confidence_margin) * trust, for the margin between the first two; 1 for one.

    Trust is the mean support of these two when the classifier knows at least one of them, a model that it does not
    know counting 0.5. Otherwise it is 1: both were compared by the same prior.
    """
    if len(candidates) < 2:
        return 1.0
    first, second = candidates[:2]
    share = min(1.0, max(0.0, (first.score - second.score) / policy.full_confidence_margin))
    return 0.5 + 0.5 * share * _trust(prediction, first.model, second.model)


def _trust(prediction: Prediction | None, *models: str) -> float:
    if prediction is None or not any(model in prediction.success for model in models):
        return 1.0
    return sum(support(prediction, model) for model in models) / len(models)


def _usual_spread_usd(found: Sequence[Estimate], policy: Policy) -> float:
    """What the dearest of the models costs more than the cheapest for a query and an answer of usual length."""
    tokens = policy.expected_input_tokens, policy.expected_output_tokens
    costs = [expected_cost_usd(estimate.spec.prices_usd_per_million, *tokens) for estimate in found]
    known = [cost for cost in costs if cost is not None]
    return max(known) - min(known) if known else 0.0
