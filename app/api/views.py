"""Decisions, models and usage as plain JSON values, and the headers of every answer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import time
from typing import Any

from app.caching import Hit
from app.chat import Answer, StreamedAnswer
from app.completion import Usage
from app.domain import Candidate, Decision, Prediction, Query, Recollection, TextFeatures
from app.models.breaker import Breakers
from app.models.catalogue import ModelSpec

FEATURES = tuple(TextFeatures.__dataclass_fields__)


def candidate(item: Candidate) -> dict[str, Any]:
    factors = {name: None if value is None else round(value, 4) for name, value in item.factors.items()}
    return {
        "model": item.model,
        "score": round(item.score, 4),
        "factors": factors,
        "cost_usd": item.cost_usd,
        "latency_ms": None if item.latency_ms is None else round(item.latency_ms, 1),
    }


def features(item: TextFeatures | None) -> dict[str, Any] | None:
    if item is None:
        return None
    values = {name: getattr(item, name) for name in FEATURES}
    return {**values, "domain_signals": _named(item.domain_signals)}


def classifier(item: Prediction | None) -> dict[str, Any] | None:
    if item is None:
        return None
    return {
        "version": item.version,
        "complexity": _rounded(item.levels),
        "difficulty": round(item.complexity, 4),
        "domain": _rounded(item.domains),
        "success": _rounded(item.success),
        "support": _rounded(item.support),
        "output_tokens": {model: round(tokens) for model, tokens in item.output_tokens.items()},
    }


def recollection(item: Recollection | None) -> dict[str, Any] | None:
    if item is None:
        return None
    return {
        "neighbours": item.neighbours,
        "success": _rounded(item.success),
        "sample_size": _rounded(item.sample_size),
        "output_tokens": {model: round(tokens) for model, tokens in item.output_tokens.items()},
    }


def usage(item: Usage, cost_usd: float | None) -> dict[str, Any]:
    return {
        "input_tokens": item.input_tokens,
        "output_tokens": item.output_tokens,
        "cached_input_tokens": item.cached_input_tokens,
        "cost_usd": cost_usd,
    }


def chat_answer(answer: Answer) -> dict[str, Any]:
    return {
        "response": answer.completion.text,
        "model_used": answer.model,
        "latency_ms": round(answer.latency_ms, 2),
        "usage": usage(answer.completion.usage, answer.cost_usd),
        "routing_metadata": routing_metadata(answer),
    }


def route_answer(query: Query, decision: Decision) -> dict[str, Any]:
    return {
        "request_id": decision.request_id,
        "model": decision.model,
        "cause": decision.cause,
        "rule": decision.rule,
        "confidence": round(decision.confidence, 4),
        "domain": decision.domain,
        "candidates": [candidate(item) for item in decision.candidates],
        "rejected": decision.rejected,
        "skipped": _named(decision.skipped),
        "weights_version": decision.weights_version,
        "classifier_version": decision.classifier_version,
        "classifier": classifier(decision.prediction),
        "memory": recollection(decision.recollection),
        "propensity": decision.propensity,
        "explored": decision.explored,
        "features": features(query.features),
    }


def routing_metadata(answer: Answer | StreamedAnswer) -> dict[str, Any]:
    decision = answer.decision
    return {
        "request_id": decision.request_id,
        "reason": decision.cause,
        "rule": decision.rule,
        "cache": None if answer.cached is None else cached(answer.cached),
        "confidence": round(decision.confidence, 4),
        "alternatives": [candidate(item) for item in decision.candidates if item.model != answer.model],
        "fallback": [f"{attempt.model}:{attempt.code}" for attempt in answer.attempts],
        "skipped": _named(decision.skipped),
        "weights_version": decision.weights_version,
        "classifier_version": decision.classifier_version,
        "features": features(answer.query.features),
    }


def cached(hit: Hit) -> dict[str, Any]:
    similarity = None if hit.similarity is None else round(hit.similarity, 4)
    return {"kind": hit.kind, "age_s": round(_age_s(hit), 3), "similarity": similarity}


def headers(answer: Answer | StreamedAnswer) -> dict[str, str]:
    """With `age` of RFC 9111, in seconds, for an answer from a cache."""
    named = decision_headers(answer.decision, answer.model, answer.overhead_ms)
    if (hit := answer.cached) is not None:
        named |= {"x-llm-router-cache": hit.kind, "age": str(int(_age_s(hit)))}
        if hit.similarity is not None:
            named["x-llm-router-cache-similarity"] = f"{hit.similarity:.4f}"
    return named


def _age_s(hit: Hit) -> float:
    return max(0.0, time() - hit.answer.created_at)


def decision_headers(decision: Decision, model_id: str, overhead_ms: float) -> dict[str, str]:
    return {
        "x-llm-router-model": model_id,
        "x-llm-router-cause": decision.cause,
        "x-llm-router-overhead-ms": f"{overhead_ms:.2f}",
    }


def model(spec: ModelSpec, unavailable: Mapping[str, str], breakers: Breakers) -> dict[str, Any]:
    return {
        "id": spec.id,
        "provider": spec.provider,
        "available": spec.id not in unavailable,
        "reason": unavailable.get(spec.id),
        "breaker": breaker(breakers, spec.id),
        "quality_tier": spec.quality_tier,
        "strengths": sorted(spec.strengths),
        "capabilities": sorted(spec.capabilities),
        "context_window_tokens": spec.context_window_tokens,
        "expected_latency_ms": spec.expected_latency_ms,
        "allowed_tiers": sorted(spec.allowed_tiers),
        "prices_usd_per_million": spec.prices_usd_per_million.model_dump(),
    }


def breaker(breakers: Breakers, model_id: str) -> dict[str, Any] | None:
    """None for a model without a key, which is never called."""
    if (state := breakers.states().get(model_id)) is None:
        return None
    note = breakers.notes()[model_id]
    until = None if note.until is None else datetime.fromtimestamp(note.until, UTC).isoformat(timespec="milliseconds")
    return {"state": state, "error": note.code or None, "message": note.message or None, "until": until}


def not_closed(breakers: Breakers) -> dict[str, Any]:
    """By model id."""
    return {model_id: breaker(breakers, model_id) for model_id, note in breakers.notes().items() if note.until}


def available(
    models: Sequence[str], unavailable: Mapping[str, str], last_success: Mapping[str, datetime]
) -> dict[str, Any]:
    """How many there are, and when each answered last."""
    count = sum(id_ not in unavailable for id_ in models)
    return {"available": count, "known": len(models), "last_success": dict(last_success)}


def _rounded(values: Mapping[Any, float]) -> dict[str, float]:
    return {str(key): round(value, 4) for key, value in values.items()}


def _named(values: Mapping[Any, Any]) -> dict[str, Any]:
    """JSON wants plain strings as keys, not enums."""
    return {str(key): value for key, value in values.items()}
