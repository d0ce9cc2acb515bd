"""What is expected of each model for one query: how well it answers, what that costs, and how long it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from app.domain import Domain, Limits, Prediction, Query
from app.errors import NotEligible, RouterError
from app.models.catalogue import ModelSpec
from app.models.pricing import expected_cost_usd
from app.routing.choice import NEUTRAL, blended
from app.routing.evidence import Evidence
from app.routing.weights import Policy

MAX_COST, MAX_LATENCY, COST_UNKNOWN = "over_max_cost_usd", "over_max_latency_ms", "cost_unknown"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one model. `quality` is P(success), 0 to 1; `cost_usd` is None when a price is unknown."""

    spec: ModelSpec
    quality: float
    cost_usd: float | None
    latency_ms: float


def estimates(
    query: Query, specs: Sequence[ModelSpec], policy: Policy, evidence: Evidence, latency_ms: Mapping[str, float]
) -> list[Estimate]:
    """`latency_ms` is measured, by model; for others the catalogue says what is usual."""
    domain = domain_of(query, evidence, policy)
    return [
        Estimate(
            spec,
            quality(query, spec, policy, evidence, domain),
            expected_cost_usd(
                spec.prices_usd_per_million, query.tokens, output_tokens(query, spec.id, policy, evidence)
            ),
            latency_ms.get(spec.id, spec.expected_latency_ms),
        )
        for spec in specs
    ]


def limited(limits: Limits, found: Sequence[Estimate]) -> tuple[list[Estimate], dict[str, str]]:
    """Those within the caller's limits, and why the others are not. A cost that nobody knows is within none.

    Raises NotEligible when none is left.
    """
    kept, over = [], {}
    for estimate in found:
        reason = _over(limits, estimate)
        if reason is None:
            kept.append(estimate)
        else:
            over[estimate.spec.id] = reason
    if not kept:
        raise _nobody_within(limits, found)
    return kept, over


def quality(query: Query, spec: ModelSpec, policy: Policy, evidence: Evidence, domain: Domain) -> float:
    """P(`spec` answers this query well): what classifier and prior expect, blended with what the memory recalls.

    support * P(success) + (1 - support) * prior for a model that the classifier knows: where its outcomes cover few
    such queries, its tier says more. The prior alone for others, see QualityPrior, with the predicted difficulty as
    complexity; without a prediction, with the text's complexity. Against the memory, see `choice.blended`, the two
    weigh as the policy's strength says, by the same support.
    """
    expected, trust = _expected(query, spec, policy, evidence.prediction, domain)
    recalled = evidence.recollection
    sample_size = recalled.sample_size.get(spec.id, 0.0) if recalled else 0.0
    if recalled is None or sample_size <= 0:
        return expected
    strength = trust * policy.strength.classifier + (1 - trust) * policy.strength.prior
    return float(blended(expected, recalled.success[spec.id], sample_size, strength))


def output_tokens(query: Query, model: str, policy: Policy, evidence: Evidence) -> float:
    """Expected length of the answer: the classifier's figure, else that of similar answers, else the policy's.

    At most what the caller allows.
    """
    usual = float(policy.expected_output_tokens)
    if evidence.prediction is not None and model in evidence.prediction.output_tokens:
        usual = evidence.prediction.output_tokens[model]
    elif evidence.recollection is not None:
        usual = evidence.recollection.output_tokens.get(model, usual)
    return min(usual, query.max_output_tokens or usual)


def domain_of(query: Query, evidence: Evidence, policy: Policy) -> Domain:
    """The classifier's domain, else that of the text signals when they say one, else the embedding's nearest."""
    if evidence.prediction is not None:
        return evidence.prediction.domain
    text_domain = query.features.domain if query.features else Domain.GENERAL
    if text_domain is not Domain.GENERAL or evidence.embedding is None:
        return text_domain
    domain, similarity = max(evidence.embedding.domains.items(), key=lambda item: item[1])
    return domain if similarity >= policy.domain_similarity_floor else Domain.GENERAL


def support(prediction: Prediction, model: str) -> float:
    """How far the classifier's figure for `model` can be trusted, 0 to 1; 1 where it does not say."""
    return prediction.support.get(model, 1.0) if model in prediction.success else NEUTRAL


def _expected(
    query: Query, spec: ModelSpec, policy: Policy, prediction: Prediction | None, domain: Domain
) -> tuple[float, float]:
    """P(success) without the memory, and which share of it is the classifier's."""
    text_complexity = query.features.complexity if query.features else NEUTRAL
    complexity = prediction.complexity if prediction else text_complexity
    prior = policy.quality_prior
    skill = prior.skill[spec.quality_tier] + (prior.strength_bonus if domain in spec.strengths else 0.0)
    expected = 1 / (1 + exp(-(skill - complexity) / prior.softness))
    if prediction is None or spec.id not in prediction.success:
        return expected, 0.0
    trust = support(prediction, spec.id)
    return trust * prediction.success[spec.id] + (1 - trust) * expected, trust


def _over(limits: Limits, estimate: Estimate) -> str | None:
    if limits.max_cost_usd is not None and estimate.cost_usd is None:
        return COST_UNKNOWN
    if limits.max_cost_usd is not None and (estimate.cost_usd or 0.0) > limits.max_cost_usd:
        return MAX_COST
    if limits.max_latency_ms is not None and estimate.latency_ms > limits.max_latency_ms:
        return MAX_LATENCY
    return None


def _nobody_within(limits: Limits, found: Sequence[Estimate]) -> RouterError:
    costs = [estimate.cost_usd for estimate in found if estimate.cost_usd is not None]
    least = f"{min(costs):.6g} USD" if costs else "not known"
    return NotEligible(
        f"no model that can take this query is within max_cost_usd {limits.max_cost_usd} and max_latency_ms "
        f"{limits.max_latency_ms}: the cheapest is expected to cost {least}, the fastest to take "
        f"{min(estimate.latency_ms for estimate in found):.0f} ms; raise the limits or leave them out",
        param="max_latency_ms" if limits.max_cost_usd is None else "max_cost_usd",
    )
