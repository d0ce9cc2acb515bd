"""Decisions that need no neural model."""

from collections.abc import Iterator, Sequence

from app.domain import Candidate, Cause, Decision, Domain, Limits, Query, Skip, Stage
from app.errors import UnknownModel
from app.models.catalogue import Catalogue, ModelSpec
from app.routing import eligibility, scoring
from app.routing.estimates import domain_of, estimates, limited
from app.routing.evidence import Evidence, Hint
from app.routing.rules import Rule, RuleBook, preferred
from app.routing.scored import DecisionRequest, scored, weighable
from app.routing.weights import Policy

ML_STAGES = (Stage.EMBEDDING, Stage.CLASSIFIER, Stage.MEMORY)


class QuickDecider:
    """Decides what needs no neural model: a model named by the caller, and queries that a certain rule covers."""

    def __init__(self, catalogue: Catalogue, rules: RuleBook) -> None:
        self._catalogue = catalogue
        self._rules = rules

    def requested(self, request: DecisionRequest, policy: Policy) -> Decision:
        """The model that the caller named, and no fallback: who names a model wants that one."""
        query = request.query
        spec = self._catalogue.models.get(query.model)
        if spec is None:
            known = ", ".join(["auto", *self._catalogue.models])
            raise UnknownModel(f"model {query.model!r} is not in the catalogue; known: {known}", param="model")
        eligibility.split(query, [spec], request.unavailable)
        if query.limits != Limits():
            limited(query.limits, estimates(query, [spec], policy, Evidence(), request.latency_ms))
        return Decision(
            request_id=query.request_id,
            candidates=(Candidate(spec.id, 1.0, {}, None),),
            cause=Cause.REQUESTED,
            confidence=1.0,
            domain=query.features.domain if query.features else Domain.GENERAL,
            weights_version=policy.version,
            skipped=dict.fromkeys((Stage.RULES, *ML_STAGES), Skip.NOT_NEEDED),
        )

    def by_rule(self, request: DecisionRequest, policy: Policy) -> Decision | Hint | None:
        """The first rule with an eligible preferred model: a decision when it is certain, else a hint.

        Who asks for a quality floor wants to have P(success) looked at: then every rule is a hint.
        """
        query, nothing = request.query, Evidence()
        specs, rejected = eligibility.split(query, self._catalogue.models.values(), request.unavailable)
        if query.limits != Limits():
            found, rejected = weighable(self._catalogue, request, policy, nothing)
            specs = [estimate.spec for estimate in found]
        for rule, chosen in self._matches(query, specs):
            names = frozenset(spec.id for spec in chosen)
            if not rule.certain or query.limits.quality_floor is not None:
                return Hint(rule.id, names)
            ranked = scoring.rank(query, estimates(query, specs, policy, nothing, request.latency_ms), policy)
            return Decision(
                request_id=query.request_id,
                candidates=tuple(sorted(ranked, key=lambda candidate: candidate.model not in names)),
                cause=Cause.RULE,
                confidence=1.0,
                domain=domain_of(query, nothing, policy),
                weights_version=policy.version,
                rule=rule.id,
                rejected=rejected,
                skipped=dict.fromkeys(ML_STAGES, Skip.NOT_NEEDED),
            )
        return None

    def by_text(self, request: DecisionRequest, policy: Policy, why: Skip) -> Decision:
        """The score on text features alone, when the ML stages are off, late or broken."""
        return scored(self._catalogue, request, policy, Evidence(), dict.fromkeys(ML_STAGES, why))

    def _matches(self, query: Query, eligible: Sequence[ModelSpec]) -> Iterator[tuple[Rule, list[ModelSpec]]]:
        if query.features is None:
            return
        for rule in self._rules.matches(query.text, query.features, query.tier):
            chosen = [spec for spec in eligible if preferred(rule, spec)]
            if chosen:
                yield rule, chosen
