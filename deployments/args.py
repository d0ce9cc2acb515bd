"""What `args` of each application in serve_config.yaml may say."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.memory.cache.build import CacheConfig
from app.memory.history.config import MemoryConfig
from app.models.breaker import BreakerConfig
from app.models.retry_budget import RetryConfig
from app.strict import Strict


class StorageArgs(Strict):
    """Where decisions and outcomes are kept; which database is DATABASE_URL's business."""

    pool_size: Annotated[int, Field(ge=1, le=100)] = 5
    commit_timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    spool_folder: str = "data/spool"
    spool_max_mb: Annotated[int, Field(ge=1)] = 500
    retention_days: Annotated[int, Field(ge=1)] = 90


class RouterArgs(Strict):
    """`args` of the application `router`. Paths are relative to the project folder."""

    catalogue: str = "configs/models.yaml"
    rules: str = "configs/rules.yaml"
    text_features: str = "configs/text_features.yaml"
    domain_prototypes: str = "configs/domain_prototypes.yaml"
    llama_application: str | None = "llama"
    max_body_mb: Annotated[float, Field(gt=0, le=100)] = 10.0
    embedder_threads: Annotated[int, Field(ge=1, le=64)] = 1
    classifier_threads: Annotated[int, Field(ge=1, le=64)] = 1
    breaker: BreakerConfig = BreakerConfig()
    retries: RetryConfig = RetryConfig()
    storage: StorageArgs = StorageArgs()
    cache: CacheConfig = CacheConfig()
    memory: MemoryConfig = MemoryConfig()


class LoraAdapter(Strict):
    """An adapter folder. `name` is the upstream_name of a local model in the catalogue."""

    name: Annotated[str, Field(min_length=1)]
    path: Annotated[str, Field(min_length=1)]


class CpuProfile(Strict):
    """A small Llama model for machines without a GPU. `model: embedded` is SmolLM2-135M-Instruct from its wheel.

    `default_max_tokens` limits the answers to requests that name no limit: so small a model may not find its end.
    """

    model: Annotated[str, Field(min_length=1)] = "embedded"
    cpus_per_replica: Annotated[float, Field(gt=0)] = 1.0
    max_model_len_tokens: Annotated[int, Field(ge=128)] = 2048
    default_max_tokens: Annotated[int, Field(ge=1)] | None = 512
    max_num_seqs: Annotated[int, Field(ge=1)] = 16
    kv_cache_gib: Annotated[int, Field(ge=1)] = 1


class GpuProfile(Strict):
    """A Llama model id of the hub, or a folder."""

    model: Annotated[str, Field(min_length=1)] = "meta-llama/Llama-3.1-8B-Instruct"
    accelerator_type: str | None = None
    tensor_parallel_size: Annotated[int, Field(ge=1)] = 1
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    max_model_len_tokens: Annotated[int, Field(ge=128)] = 8192
    default_max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_num_seqs: Annotated[int, Field(ge=1)] = 128


class LlamaArgs(Strict):
    """`args` of the application `llama`. `model_id` is the upstream_name of a local model in the catalogue.

    accelerator: auto takes GPUs when the cluster has one, else CPUs.
    """

    model_id: Annotated[str, Field(min_length=1)] = "llama"
    accelerator: Literal["auto", "gpu", "cpu"] = "auto"
    cpu: CpuProfile = CpuProfile()
    gpu: GpuProfile = GpuProfile()
    lora_adapters: tuple[LoraAdapter, ...] = ()
    max_ongoing_requests: Annotated[int, Field(ge=1)] = 64
    max_queued_requests: Annotated[int, Field(ge=0)] = 64
    min_replicas: Annotated[int, Field(ge=1)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 1
    target_ongoing_requests: Annotated[float, Field(gt=0)] = 16.0

    @property
    def max_model_len_tokens(self) -> int:
        """The longest prompt and answer that fit, whichever profile `auto` comes to."""
        lengths = {"cpu": self.cpu.max_model_len_tokens, "gpu": self.gpu.max_model_len_tokens}
        return lengths.get(self.accelerator, min(lengths.values()))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas ({self.min_replicas}) is above max_replicas ({self.max_replicas})")
        return self
