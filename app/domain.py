"""The nouns of the router. Frozen, plain, and free of any library: every other module speaks in these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Tier(StrEnum):
    """What the user pays for. Weights and allowed models differ by tier."""

    FREE = "free"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class Provider(StrEnum):
    """Who runs a model, which says how it is called."""

    LOCAL = "local"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OPENAI_COMPATIBLE = "openai-compatible"


class QualityTier(StrEnum):
    """What a model is capable of, before any outcome is known."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Domain(StrEnum):
    """What a query is about."""

    CODING = "coding"
    MATH = "math"
    ANALYTICAL = "analytical"
    SCIENCE = "science"
    HEALTH = "health"
    BUSINESS = "business"
    HUMANITIES = "humanities"
    CREATIVE = "creative"
    GENERAL = "general"


class Complexity(StrEnum):
    """How hard a query is, on the scale of its own source."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    COMPLEX = "complex"


class Capability(StrEnum):
    """What a model can do, and what a query may need."""

    CHAT = "chat"
    STREAM = "stream"
    TOOLS = "tools"
    VISION = "vision"
    JSON = "json"


class Stage(StrEnum):
    """The stages of a decision, cheapest first."""

    CACHE = "cache"
    RULES = "rules"
    EMBEDDING = "embedding"
    CLASSIFIER = "classifier"
    MEMORY = "memory"


class Skip(StrEnum):
    """Why a stage did not take part in a decision."""

    OFF = "off"  # switched off by configuration
    NOT_INSTALLED = "not_installed"  # this build of the router does not have the stage
    NOT_NEEDED = "not_needed"  # an earlier stage was certain
    LATE = "late"  # it did not answer within its time
    FAILED = "failed"  # it answered with an error
    BUSY = "busy"  # its queue is full


class Cause(StrEnum):
    """What decided."""

    CACHE = "cache"  # the same request was answered before
    REQUESTED = "requested"  # the caller named the model
    RULE = "rule"  # a certain rule matched
    SCORED = "scored"  # the multi-factor score, all enabled stages took part
    DEGRADED = "degraded"  # the multi-factor score, an enabled stage was late or failed


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """What can be read off the text of a query without a neural model.

    `domain_signals` maps a domain to its evidence, 0 to 1. `complexity` is 0 (trivial) to 1 (hard).
    """

    tokens: int
    sentences: int
    code_blocks: int
    inline_code: int
    questions: int
    digits: int
    formulae: int
    language: str
    domain: Domain
    domain_signals: Mapping[Domain, float]
    complexity: float

    @property
    def has_code(self) -> bool:
        return self.code_blocks > 0 or self.inline_code > 0


@dataclass(frozen=True, slots=True)
class Embedding:
    """A sentence embedding, unit length, and the domains it lies close to (cosine, -1 to 1).

    `pooled` are the means of the encoder's middle layers, float16, which the classifier reads.
    """

    vector: Sequence[float]
    domains: Mapping[Domain, float]
    pooled: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the caller asks of this one answer. None: nothing.

    `max_cost_usd` and `max_latency_ms` are of the expected cost and latency; `quality_floor`, 0 to 1, of P(success).
    """

    max_cost_usd: float | None = None
    quality_floor: float | None = None
    max_latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What routing needs to know of a request.

    `model` is a catalogue id, or "auto". `tokens` counts the whole prompt, not only `text`. `features` is None when
    the caller named the model: nothing has to be chosen.
    """

    request_id: str
    text: str
    user_id: str
    tier: Tier
    model: str
    tokens: int
    needs: frozenset[Capability]
    features: TextFeatures | None = None
    max_output_tokens: int | None = None
    tenant: str = "default"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classifier's view of a query: P(model answers well) by model id, each 0 to 1, calibrated.

    `complexity` is the expected share of models that fail, 0 to 1. `levels` and `domains` are probabilities. `support`
    says by model how far its outcomes cover such queries, 0 to 1: at 0 its P(success) is little more than a prior.
    `output_tokens` is how long a model's answer will be, for those of which that is known.
    """

    success: Mapping[str, float]
    complexity: float
    domain: Domain
    version: str
    levels: Mapping[Complexity, float] = field(default_factory=dict)
    domains: Mapping[Domain, float] = field(default_factory=dict)
    support: Mapping[str, float] = field(default_factory=dict)
    output_tokens: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the memory says of a query, from its `neighbours`, the number of past queries that it looked at.

    By model: `success`, the share of neighbours that the model answered well, 0 to 1, and `sample_size`, what these
    weigh together: each at most 1, less when it is less similar, older, or its success less certain. `output_tokens` is
    the mean length of its answers to neighbours.
    """

    success: Mapping[str, float] = field(default_factory=dict)
    sample_size: Mapping[str, float] = field(default_factory=dict)
    output_tokens: Mapping[str, float] = field(default_factory=dict)
    neighbours: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An eligible model with its score and the factors behind it.

    Factors are at most 1, higher is better, None when unknown; only that of a cost far above the cheapest is below 0.
    `cost_usd` is the expected cost, None when a price is unknown, `latency_ms` the expected latency, None if not asked.
    """

    model: str
    score: float
    factors: Mapping[str, float | None]
    cost_usd: float | None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model answers, what decided, and what was weighed.

    `candidates` are ranked, best first: the first one answers, the others are its fallbacks. `rejected` maps a
    model that was not eligible to the reason. `skipped` maps a stage that took no part to the reason, `stages_ms` the
    others to their time. `prediction` holds the models of the catalogue only, None when the classifier took no part;
    `recollection` is what the memory said, None when it took no part. `explored`: not the best candidate was put first,
    but a near-tie, to learn from it; `propensity` is the probability with which the first one was chosen.
    `vector` is the query's embedding, None when nobody needed it.
    """

    request_id: str
    candidates: tuple[Candidate, ...]
    cause: Cause
    confidence: float
    domain: Domain
    weights_version: str
    rule: str | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[Stage, Skip] = field(default_factory=dict)
    prediction: Prediction | None = None
    propensity: float = 1.0
    explored: bool = False
    recollection: Recollection | None = None
    stages_ms: Mapping[Stage, float] = field(default_factory=dict)
    vector: Sequence[float] | None = field(default=None, repr=False)

    @property
    def model(self) -> str:
        return self.candidates[0].model

    @property
    def classifier_version(self) -> str | None:
        return self.prediction.version if self.prediction else None
