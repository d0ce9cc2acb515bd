"""The multi-factor score: quality, cost, latency and hints, weighed for the user's tier."""

from collections.abc import Sequence
from math import exp

from app.domain import Candidate, Domain, Evidence, Hint, Query
from app.models.catalogue import ModelSpec
from app.models.pricing import expected_cost_usd
from app.routing.weights import Policy, Weights

NEUTRAL = 0.5  # what an unknown factor counts as: neither for nor against


def rank(
    query: Query, specs: Sequence[ModelSpec], policy: Policy, evidence: Evidence, hint: Hint | None = None
) -> tuple[Candidate, ...]:
    """Candidates, best first. Equal scores keep the order of the catalogue.

    score = sum(w_f * v_f) / sum(w_f) over the factors f, with each value v_f in 0..1, higher is better. Cost and
    latency are min-max normalised over `specs`, so that only the differences between eligible models count.
    """
    output_tokens = query.max_output_tokens or policy.expected_output_tokens
    output_tokens = min(output_tokens, policy.expected_output_tokens)
    costs = [expected_cost_usd(spec.prices_usd_per_million, query.tokens, output_tokens) for spec in specs]
    cheapness = _lower_is_better(costs)
    speed = _lower_is_better([spec.expected_latency_ms for spec in specs])
    domain = domain_of(query, evidence, policy)
    weights = policy.weights[query.tier]
    candidates = []
    for i, spec in enumerate(specs):
        factors: dict[str, float | None] = {
            "quality": quality(query, spec, policy, evidence, domain),
            "cost": cheapness[i],
            "latency": speed[i],
        }
        if hint is not None:
            factors["hint"] = 1.0 if spec.id in hint.models else 0.0
        candidates.append(Candidate(spec.id, _weighted(factors, weights), factors, costs[i]))
    return tuple(sorted(candidates, key=lambda candidate: -candidate.score))


def quality(query: Query, spec: ModelSpec, policy: Policy, evidence: Evidence, domain: Domain) -> float:
    """P(`spec` answers this query well): the classifier's figure where there is one, else the tier prior."""
    prediction = evidence.prediction
    if prediction is not None and spec.id in prediction.success:
        return prediction.success[spec.id]
    prior = policy.quality_prior
    complexity = prediction.complexity if prediction else query.features.complexity if query.features else NEUTRAL
    skill = prior.skill[spec.quality_tier] + (prior.strength_bonus if domain in spec.strengths else 0.0)
    return 1 / (1 + exp(-(skill - complexity) / prior.softness))


def domain_of(query: Query, evidence: Evidence, policy: Policy) -> Domain:
    """The classifier's domain, else that of the text signals when they say one, else the embedding's nearest."""
    if evidence.prediction is not None:
        return evidence.prediction.domain
    text_domain = query.features.domain if query.features else Domain.GENERAL
    if text_domain is not Domain.GENERAL or evidence.embedding is None:
        return text_domain
    domain, similarity = max(evidence.embedding.domains.items(), key=lambda item: item[1])
    return domain if similarity >= policy.domain_similarity_floor else Domain.GENERAL


def confidence(candidates: Sequence[Candidate], policy: Policy) -> float:
    """0.5 when the first two are equal, 1 when their margin reaches `full_confidence_margin` or nobody competes."""
    if len(candidates) < 2:
        return 1.0
    margin = candidates[0].score - candidates[1].score
    return 0.5 + 0.5 * min(1.0, max(0.0, margin / policy.full_confidence_margin))


def _lower_is_better(values: Sequence[float | None]) -> list[float | None]:
    """Min-max over the known values: the lowest becomes 1, the highest 0; all 1 when there is no spread."""
    known = [value for value in values if value is not None]
    if not known:
        return [None] * len(values)
    low, spread = min(known), max(known) - min(known)
    return [None if v is None else 1.0 if spread == 0 else 1 - (v - low) / spread for v in values]


def _weighted(factors: dict[str, float | None], weights: Weights) -> float:
    shares = {name: getattr(weights, name) for name in factors}
    total = sum(shares[name] * (NEUTRAL if value is None else value) for name, value in factors.items())
    return float(total / sum(shares.values()))
