"""The catalogue: every model the router may call, read from configs/models.yaml and validated."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, HttpUrl, model_validator

from app.domain import Capability, Domain, Provider, QualityTier, Tier
from app.strict import Strict
from app.yaml_file import read_yaml

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]

DEFAULT_BASE_URL = {Provider.OPENAI: "https://api.openai.com/v1", Provider.ANTHROPIC: "https://api.anthropic.com"}
DEFAULT_KEY_VARIABLE = {Provider.OPENAI: "OPENAI_API_KEY", Provider.ANTHROPIC: "ANTHROPIC_API_KEY"}


class Prices(Strict):
    """US dollars per million tokens; null when unknown, which is not the same as free."""

    input: Usd | None = None
    cached_input: Usd | None = None
    output: Usd | None = None


def _without_slash(url: HttpUrl) -> str:
    return str(url).rstrip("/")


class ModelSpec(Strict):
    """One model. Latency is the usual time to a whole short answer; the context window counts prompt and answer.

    `parallel_requests` says how many a local model answers at once, all replicas together: more in flight make it
    slower in the eyes of the router. `max_concurrent_requests` from each ingress replica may be under way; the next
    candidate gets what is more. `unsupported_parameters` are taken out of a request before this model is called,
    because the provider would refuse it for them (sampling parameters of reasoning models, for example).
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]
    provider: Provider
    upstream_name: Annotated[str, Field(min_length=1)]
    base_url: Annotated[HttpUrl, AfterValidator(_without_slash)] | None = None
    key_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    prices_usd_per_million: Prices = Prices()
    context_window_tokens: Annotated[int, Field(gt=0)]
    capabilities: frozenset[Capability]
    unsupported_parameters: frozenset[str] = frozenset()
    quality_tier: QualityTier
    strengths: frozenset[Domain] = frozenset()
    expected_latency_ms: Annotated[int, Field(gt=0)]
    parallel_requests: Annotated[int, Field(gt=0)] | None = None
    max_concurrent_requests: Annotated[int, Field(gt=0)] | None = None
    allowed_tiers: Annotated[frozenset[Tier], Field(min_length=1)] = frozenset(Tier)

    @model_validator(mode="after")
    def _provider_needs(self) -> Self:
        if self.id == "auto":
            raise ValueError('the id "auto" means: let the router choose; give the model another id')
        if self.provider is Provider.OPENAI_COMPATIBLE and self.base_url is None:
            raise ValueError("an openai-compatible model needs base_url, for example http://127.0.0.1:8001/v1")
        if self.provider is not Provider.LOCAL and self.parallel_requests is not None:
            raise ValueError("parallel_requests is for local models: the queue of a provider is not known")
        if self.provider is Provider.LOCAL and (self.base_url or self.key_variable):
            raise ValueError("a local model has neither base_url nor key_variable")
        return self

    @property
    def url(self) -> str:
        """Where the provider listens. A local model has none."""
        return str(self.base_url or DEFAULT_BASE_URL[self.provider])

    @property
    def key_name(self) -> str | None:
        """The environment variable with the provider's key; None when the provider asks for none."""
        return self.key_variable or DEFAULT_KEY_VARIABLE.get(self.provider)


class _CatalogueFile(Strict):
    models: Annotated[tuple[ModelSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [model.id for model in self.models]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"model ids must be unique; given more than once: {', '.join(twice)}")
        return self


@dataclass(frozen=True)
class Catalogue:
    """The models by id, in the order of the file."""

    models: Mapping[str, ModelSpec]

    def strongest(self) -> ModelSpec:
        """Of the highest quality tier; of several the one with the dearest output, an unknown price being cheapest."""
        tiers = list(QualityTier)
        return max(
            self.models.values(),
            key=lambda spec: (tiers.index(spec.quality_tier), spec.prices_usd_per_million.output or 0.0),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ConfigError, naming the file and the key."""
        file = read_yaml(path, _CatalogueFile)
        return cls({model.id: model for model in file.models})
