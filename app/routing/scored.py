"""From a query and the evidence to a decision: limits, estimates, the score, now and then a near-tie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.domain import Cause, Decision, Query, Skip, Stage
from app.models.catalogue import Catalogue
from app.routing import eligibility, scoring
from app.routing.estimates import Estimate, domain_of, estimates, limited
from app.routing.evidence import Evidence, Hint
from app.routing.weights import Policy


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A query with what the caller knows that the engine does not: `unavailable` maps a model to the reason,
    `latency_ms` to what it takes now.
    """

    query: Query
    unavailable: Mapping[str, str]
    hint: Hint | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)


def weighable(
    catalogue: Catalogue, request: DecisionRequest, policy: Policy, evidence: Evidence
) -> tuple[list[Estimate], dict[str, str]]:
    """The models that can take the query within its limits, and why the others cannot. Raises when none is left."""
    query = request.query
    eligible, rejected = eligibility.split(query, catalogue.models.values(), request.unavailable)
    kept, over = limited(query.limits, estimates(query, eligible, policy, evidence, request.latency_ms))
    return kept, {**rejected, **over}


def scored(
    catalogue: Catalogue,
    request: DecisionRequest,
    policy: Policy,
    evidence: Evidence,
    skipped: Mapping[Stage, Skip],
    stages_ms: Mapping[Stage, float] = MappingProxyType({}),
) -> Decision:
    """The decision that the multi-factor score makes on this evidence."""
    query = request.query
    found, rejected = weighable(catalogue, request, policy, evidence)
    ranked = scoring.rank(query, found, policy, request.hint)
    tried = scoring.explored(query, ranked, policy)
    degraded = any(why in (Skip.LATE, Skip.FAILED, Skip.BUSY) for why in skipped.values())
    return Decision(
        request_id=query.request_id,
        candidates=tried.candidates,
        cause=Cause.DEGRADED if degraded else Cause.SCORED,
        confidence=scoring.confidence(ranked, policy, evidence.prediction),
        domain=domain_of(query, evidence, policy),
        weights_version=policy.version,
        rule=request.hint.rule if request.hint else None,
        rejected=rejected,
        skipped=skipped,
        prediction=evidence.prediction,
        propensity=tried.propensity,
        explored=tried.explored,
        recollection=evidence.recollection,
        stages_ms=dict(stages_ms),
        vector=evidence.embedding.vector if evidence.embedding else None,
    )
