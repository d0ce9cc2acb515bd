"""What is kept of a request. Strings and numbers only: these go to the database and to the spool as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """Written before the answer is returned. `created_at` is aware, UTC.

    A candidate is `{"model", "score", "factors", "cost_usd"}`. `query_text` and `query_hash` follow STORE_TEXT.
    `request_id` is ours and unique, `client_request_id` the caller's, which several requests may share.
    """

    request_id: str
    tenant: str
    user_id: str
    tier: str
    created_at: datetime
    endpoint: str
    model_requested: str
    domain: str
    language: str | None
    complexity: float | None
    features: Mapping[str, Any]
    cause: str
    rule: str | None
    confidence: float
    candidates: Sequence[Mapping[str, Any]]
    rejected: Mapping[str, str]
    skipped: Mapping[str, str]
    propensity: float
    weights_version: str
    classifier_version: str | None
    query_text: str | None
    query_hash: str | None
    client_request_id: str | None = None  # spool files of versions without it are still read


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """How the request ended. Tenant, tier, domain and `created_at` repeat the decision's.

    `model` is the one that answered, None when none did. `fallbacks` are the calls that failed before, "model:code".
    `cost_usd` is None when a price is unknown. `error` is an error code, `cache` is "exact" or "semantic".
    """

    request_id: str
    tenant: str
    tier: str
    domain: str
    created_at: datetime
    model: str | None
    endpoint: str
    fallbacks: Sequence[str]
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_usd: float | None
    latency_ms: float
    overhead_ms: float
    stages_ms: Mapping[str, float]
    first_token_ms: float | None
    error: str | None
    cache: str | None
    cache_similarity: float | None
    answer_text: str | None
    answer_hash: str | None
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Feedback:
    """A user's judgement of an answer, 1 (useless) to 5 (just right)."""

    request_id: str
    rating: int
    comment: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is stored of one request. A request that is still running has no outcome."""

    decision: DecisionRecord | None
    outcome: OutcomeRecord | None
    feedback: Feedback | None
