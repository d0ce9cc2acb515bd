"""The multi-factor score: quality, cost, latency and hints, weighed for the user's tier."""

from collections.abc import Sequence
from math import exp

from app.domain import Candidate, Domain, Prediction, Query
from app.models.catalogue import ModelSpec
from app.models.pricing import expected_cost_usd
from app.routing.evidence import Evidence, Hint
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
    """P(`spec` answers this query well).

    support * P(success) + (1 - support) * prior for a model that the classifier knows: where its outcomes cover few
    such queries, its tier says more. The prior alone for others, see QualityPrior, with the predicted difficulty as
    complexity; without a prediction, with the text's complexity.
    """
    prediction = evidence.prediction
    text_complexity = query.features.complexity if query.features else NEUTRAL
    complexity = prediction.complexity if prediction else text_complexity
    prior = policy.quality_prior
    skill = prior.skill[spec.quality_tier] + (prior.strength_bonus if domain in spec.strengths else 0.0)
    expected = 1 / (1 + exp(-(skill - complexity) / prior.softness))
    if prediction is None or spec.id not in prediction.success:
        return expected
    support = _support(prediction, spec.id)
    return support * prediction.success[spec.id] + (1 - support) * expected


def domain_of(query: Query, evidence: Evidence, policy: Policy) -> Domain:
    """The classifier's domain, else that of the text signals when they say one, else the embedding's nearest."""
    if evidence.prediction is not None:
        return evidence.prediction.domain
    text_domain = query.features.domain if query.features else Domain.GENERAL
    if text_domain is not Domain.GENERAL or evidence.embedding is None:
        return text_domain
    domain, similarity = max(evidence.embedding.domains.items(), key=lambda item: item[1])
    return domain if similarity >= policy.domain_similarity_floor else Domain.GENERAL


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
    return sum(_support(prediction, model) for model in models) / len(models)


def _support(prediction: Prediction, model: str) -> float:
    """How far the classifier's figure for `model` can be trusted, 0 to 1; 1 where it does not say."""
    return prediction.support.get(model, 1.0) if model in prediction.success else NEUTRAL


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
