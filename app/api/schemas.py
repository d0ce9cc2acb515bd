"""What the HTTP API answers. Pydantic stays at this edge."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.domain import Capability, Cause, Complexity, Domain, Provider, QualityTier, Skip, Stage, Tier
from app.observability.labels import BreakerState, CacheKind


class CandidateView(BaseModel):
    model: str = Field(description="Catalogue id.")
    score: float = Field(description="Weighted score, at most 1, higher is better.")
    factors: dict[str, float | None] = Field(description="Each factor's value, at most 1; null when unknown.")
    cost_usd: float | None = Field(description="Expected cost in US dollars; null when a price is unknown.")
    latency_ms: float | None = Field(description="Expected time to the whole answer; null for a named model.")


class FeaturesView(BaseModel):
    """What was read off the text."""

    tokens: int = Field(description="By the tokenizer of the embedded Llama.")
    sentences: int = Field(description="Sentences outside code.")
    code_blocks: int = Field(description="Fenced blocks, and lines that look like code.")
    inline_code: int = Field(description="Pieces of code within prose.")
    questions: int = Field(description="Questions asked.")
    digits: int = Field(description="Decimal digits.")
    formulae: int = Field(description="LaTeX and equations.")
    language: str = Field(description="ISO 639-1 code.")
    domain: Domain = Field(description="The domain with the most evidence; general when none has much.")
    domain_signals: dict[Domain, float] = Field(description="Evidence for each domain, 0 to 1.")
    complexity: float = Field(description="0 (trivial) to 1 (hard).")


class ClassifierView(BaseModel):
    """What the classifier says of the query; every figure but the lengths is 0 to 1."""

    version: str = Field(description="Of the artefact that is live.")
    complexity: dict[Complexity, float] = Field(description="P(level).")
    difficulty: float = Field(description="Expected share of models that fail on such a query.")
    domain: dict[Domain, float] = Field(description="P(domain).")
    success: dict[str, float] = Field(description="P(the model answers well), for models with outcomes.")
    support: dict[str, float] = Field(description="How far each model's outcomes cover such queries.")
    output_tokens: dict[str, float] = Field(description="Expected length of each model's answer, where it is known.")


class RecollectionView(BaseModel):
    """How models did on similar past queries."""

    neighbours: int = Field(description="Past queries that were looked at.")
    success: dict[str, float] = Field(description="Share that the model answered well, 0 to 1, weighed.")
    sample_size: dict[str, float] = Field(description="What the model's neighbours weigh together.")
    output_tokens: dict[str, float] = Field(description="Mean length of the model's answers to them.")


class RouteAnswer(BaseModel):
    """A decision with everything that was weighed."""

    request_id: str
    model: str = Field(description="The model that would answer.")
    cause: Cause = Field(description="What decided.")
    rule: str | None = Field(description="The rule that matched, certain or as a hint.")
    confidence: float = Field(description="0.5 (a tie) to 1.")
    domain: Domain
    candidates: list[CandidateView] = Field(description="Eligible models, best first.")
    rejected: dict[str, str] = Field(description="Models that are not eligible, with the reason.")
    skipped: dict[Stage, Skip] = Field(description="Stages that took no part, with the reason.")
    weights_version: str
    classifier_version: str | None = Field(description="Null when the classifier took no part.")
    classifier: ClassifierView | None = Field(description="Null when the classifier took no part.")
    memory: RecollectionView | None = Field(description="Null when the memory took no part.")
    propensity: float = Field(description="Probability with which this model was chosen.")
    explored: bool = Field(description="Whether a near-tie was put first, to learn from it.")
    features: FeaturesView | None = Field(description="Null when the caller named the model.")


class CachedFrom(BaseModel):
    kind: CacheKind = Field(description="exact: the very same request. semantic: a query that means the same.")
    age_s: float = Field(description="How old the answer is.")
    similarity: float | None = Field(description="Cosine to the query that the answer was given to; semantic only.")


class RoutingMetadata(BaseModel):
    """How the answer came about."""

    request_id: str
    reason: Cause = Field(description="What decided.")
    rule: str | None = Field(description="The rule that matched, certain or as a hint.")
    cache: CachedFrom | None = Field(description="Null unless the answer comes from a cache.")
    confidence: float = Field(description="0.5 (a tie) to 1.")
    alternatives: list[CandidateView] = Field(description="The other candidates, best first.")
    fallback: list[str] = Field(description="Models that failed before this one answered, as model:error.")
    skipped: dict[Stage, Skip] = Field(description="Stages that took no part, with the reason.")
    weights_version: str
    classifier_version: str | None = Field(description="Null when the classifier took no part.")
    features: FeaturesView | None = Field(description="Null when the caller named the model.")


class UsageView(BaseModel):
    input_tokens: int = Field(description="As the provider counted them.")
    output_tokens: int = Field(description="As the provider counted them.")
    cached_input_tokens: int = Field(description="The part of input_tokens that the provider had cached.")
    cost_usd: float | None = Field(description="US dollars; null when a price is unknown.")


class ChatAnswer(BaseModel):
    """An answer and how it came about."""

    response: str = Field(description="The answer's text.")
    model_used: str = Field(description="Catalogue id of the model that answered.")
    latency_ms: float = Field(description="From the router's view, in milliseconds.")
    usage: UsageView = Field(description="Tokens and cost of this answer.")
    routing_metadata: RoutingMetadata = Field(description="How the answer came about.")


class ErrorDetail(BaseModel):
    code: str = Field(description="A stable word for programs.")
    message: str = Field(description="What was wrong, where, and what to do.")
    param: str | None = Field(description="The field at fault.")
    request_id: str = Field(description="The router's own: in the header X-LLM-Router-Request-ID and in the log.")


class ErrorAnswer(BaseModel):
    error: ErrorDetail


class CompletionErrorDetail(ErrorDetail):
    type: str = Field(description="invalid_request_error or api_error.")


class CompletionErrorAnswer(BaseModel):
    """An error in OpenAI's shape."""

    error: CompletionErrorDetail


class CompletionAnswer(BaseModel):
    """A chat completion in OpenAI's format, as the model gave it."""

    choices: list[dict[str, Any]] = Field(description="The answer is in `message` of the first one.")


class CompletionModel(BaseModel):
    id: str = Field(description="Catalogue id, or auto.")
    object: Literal["model"]
    created: int = Field(description="0: nobody knows.")
    owned_by: str


class CompletionModels(BaseModel):
    """The catalogue in OpenAI's format."""

    object: Literal["list"]
    data: list[CompletionModel]


class BreakerView(BaseModel):
    """A circuit breaker, as this replica knows it; the replicas tell each other within a second or so."""

    state: BreakerState = Field(description="open: not called until `until`. half_open: one request tries.")
    error: str | None = Field(description="The code of the error that opened it; null when it is closed.")
    message: str | None = Field(description="What that error said; null when it is closed.")
    until: str | None = Field(description="ISO 8601, UTC; null when it is closed.")


class ModelView(BaseModel):
    id: str = Field(description="Catalogue id.")
    provider: Provider = Field(description="Who runs it.")
    available: bool = Field(description="Whether it can be called now.")
    reason: str | None = Field(description="Why the model is not available.")
    breaker: BreakerView | None = Field(description="Null for a model without a key, which is never called.")
    quality_tier: QualityTier = Field(description="What it is capable of.")
    strengths: list[Domain] = Field(description="Domains that it is good at.")
    capabilities: list[Capability] = Field(description="What a query may need of it.")
    context_window_tokens: int = Field(description="Prompt and answer together.")
    expected_latency_ms: int = Field(description="Usual time to a whole short answer.")
    allowed_tiers: list[Tier] = Field(description="Tiers that may use it.")
    prices_usd_per_million: dict[str, float | None] = Field(description="US dollars; null when unknown.")


class ModelsAnswer(BaseModel):
    models: list[ModelView]


class HealthAnswer(BaseModel):
    status: Literal["ok", "degraded"] = Field(description="degraded: no model is available.")
    version: str | None = Field(description="Null for who has no API key where one is required.")
    timestamp: str = Field(description="ISO 8601, UTC.")
    services: dict[str, Any] = Field(
        description="Models, breakers that are not closed, storage, cache, classifier and memory: the state of each, "
        "and when it last worked. Empty for who has no API key where one is required.",
        examples=[{"models": {"available": 1, "known": 3, "last_success": {"llama": "2026-01-31T12:00:00.000+00:00"}}}],
    )
