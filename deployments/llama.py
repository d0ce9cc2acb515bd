"""The `llama` application: the vLLM engine behind one method that takes and gives JSON.

Importing `ray.serve.llm` takes many seconds and memory: only this module does, and only this application imports it.
"""

from collections.abc import AsyncGenerator
from typing import Any

import orjson
import ray
from pydantic import ValidationError
from ray.serve.deployment import Application
from ray.serve.llm import LLMConfig, LLMServer, build_llm_deployment

from app.artifacts.llama import llama_path
from app.paths import project_path
from deployments.args import CpuProfile, GpuProfile, LlamaArgs
from deployments.environment import NO_TELEMETRY
from deployments.replicas import HEALTH_CHECK_PERIOD_S

EMBEDDED = "embedded"
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # those that vLLM knows
SHUTDOWN_S = 130.0  # a replica that is replaced ends its answers first
REPLICA_CPUS = 0.1  # Ray adds the replica's own CPUs to its first bundle; the default of 1 does not fit a small machine
DEFAULT_MAX_TOKENS = "default_max_tokens"  # ours, among Ray's experimental_configs
OFFLINE = {"HF_HUB_OFFLINE": "1", **NO_TELEMETRY}


class LlamaServer(LLMServer):
    """vLLM's OpenAI server without HTTP."""

    async def chat_json(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """One `chat.completion`, or with `stream: true` its chunks, each as JSON; an error as `{"error": ...}`."""
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        try:
            request = ChatCompletionRequest.model_validate(orjson.loads(body))
        except (ValidationError, TypeError, ValueError, AttributeError) as error:  # vLLM's validators raise them all
            yield orjson.dumps({"error": {"message": _readable(error), "code": 400}})
            return
        if request.max_tokens is None and request.max_completion_tokens is None:
            request.max_completion_tokens = self._llm_config.experimental_configs[DEFAULT_MAX_TOKENS]
        engine: Any = self.engine
        async for item in engine.chat(request):
            yield _event(item) if isinstance(item, str) else item.model_dump_json().encode()


def _readable(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"the request does not fit the chat format ({error})"
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _event(line: str) -> bytes:
    """vLLM's engine gives whole server-sent events, one `data:` line each."""
    return line.removeprefix("data:").strip().encode()


def build(args: LlamaArgs) -> Application:
    """GPU bundles when asked for, or when the cluster has GPUs; else CPU bundles."""
    gpu = args.accelerator == "gpu" or (args.accelerator == "auto" and _cluster_has_gpus())
    config = _gpu_config(args, args.gpu) if gpu else _cpu_config(args, args.cpu)
    return build_llm_deployment(
        config, deployment_cls=LlamaServer, name_prefix="", override_serve_options={"name": "Llama"}
    )


def _cluster_has_gpus() -> bool:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources.get("GPU", 0) > 0


def _cpu_config(args: LlamaArgs, profile: CpuProfile) -> LLMConfig:
    source = str(llama_path() if profile.model == EMBEDDED else project_path(profile.model))
    return LLMConfig(
        model_loading_config={"model_id": args.model_id, "model_source": source},
        deployment_config=_deployment(args),
        engine_kwargs={
            "dtype": "bfloat16",
            "max_model_len": profile.max_model_len_tokens,
            "max_num_seqs": profile.max_num_seqs,
            "enforce_eager": True,
            **_lora(args),
        },
        placement_group_config={"bundles": [{"CPU": max(0.1, profile.cpus_per_replica - REPLICA_CPUS)}]},
        experimental_configs={"stream_batching_interval_ms": 0, DEFAULT_MAX_TOKENS: profile.default_max_tokens},
        runtime_env={"env_vars": {**OFFLINE, "VLLM_CPU_KVCACHE_SPACE": str(profile.kv_cache_gib)}},
    )


def _gpu_config(args: LlamaArgs, profile: GpuProfile) -> LLMConfig:
    return LLMConfig(
        model_loading_config={"model_id": args.model_id, "model_source": profile.model},
        accelerator_type=profile.accelerator_type,
        deployment_config=_deployment(args),
        engine_kwargs={
            "tensor_parallel_size": profile.tensor_parallel_size,
            "gpu_memory_utilization": profile.gpu_memory_utilization,
            "max_model_len": profile.max_model_len_tokens,
            "max_num_seqs": profile.max_num_seqs,
            **_lora(args),
        },
        placement_group_config={"bundles": [{"CPU": 1, "GPU": 1}] * profile.tensor_parallel_size},
        experimental_configs={"stream_batching_interval_ms": 0, DEFAULT_MAX_TOKENS: profile.default_max_tokens},
        runtime_env={"env_vars": NO_TELEMETRY},
    )


def _deployment(args: LlamaArgs) -> dict[str, Any]:
    """Ongoing limits are set here because the builder's own are a thousand million: it would never scale nor shed."""
    return {
        "max_ongoing_requests": args.max_ongoing_requests,
        "max_queued_requests": args.max_queued_requests,
        "graceful_shutdown_timeout_s": SHUTDOWN_S,
        "health_check_period_s": HEALTH_CHECK_PERIOD_S,
        "autoscaling_config": {
            "min_replicas": args.min_replicas,
            "max_replicas": args.max_replicas,
            "target_ongoing_requests": args.target_ongoing_requests,
        },
        "ray_actor_options": {"num_cpus": REPLICA_CPUS},
    }


def _lora(args: LlamaArgs) -> dict[str, Any]:
    if not args.lora_adapters:
        return {}
    folders = {adapter.name: project_path(adapter.path) for adapter in args.lora_adapters}
    ranks = [orjson.loads((folder / "adapter_config.json").read_bytes())["r"] for folder in folders.values()]
    modules = [{"name": name, "path": str(folder)} for name, folder in folders.items()]
    return {
        "enable_lora": True,
        "max_loras": len(modules),
        "max_lora_rank": next(rank for rank in LORA_RANKS if rank >= max(ranks)),
        "lora_modules": modules,
    }
