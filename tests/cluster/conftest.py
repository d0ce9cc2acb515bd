"""One real Ray cluster for all cluster tests: `make serve`'s own launcher, the real vLLM engine, one fake provider."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy
import pytest
import yaml

from app.artifacts.llama import ensure_llama_weights
from app.artifacts.minilm import ensure_minilm
from app.paths import PROJECT, project_path
from deployments.launch import DASHBOARD, _authorization, _free_port
from tests.fakes.upstream import FakeUpstream, running_upstream

ROUTER_UP_S, LLAMA_UP_S, DOWN_S = 90.0, 300.0, 60.0


@dataclass
class Cluster:
    url: str
    config: dict[str, Any]
    upstream: FakeUpstream
    process: "subprocess.Popen[bytes]"
    log: Path
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def applications(self) -> dict[str, Any]:
        """As the dashboard tells them; none while it starts."""
        try:
            details: dict[str, Any] = json.loads(self._dashboard("GET", None))
        except OSError:
            return {}
        applications: dict[str, Any] = details["applications"]
        return applications

    def deploy(self, config: dict[str, Any]) -> None:
        """What `serve deploy` does."""
        self._dashboard("PUT", json.dumps(config).encode())

    def replica_pids(self, deployment: str) -> list[int]:
        replicas = self.applications()["router"]["deployments"][deployment]["replicas"]
        return [replica["pid"] for replica in replicas if replica["state"] == "RUNNING"]

    def _dashboard(self, method: str, body: bytes | None) -> bytes:
        headers = {**_authorization(), "Content-Type": "application/json"}
        request = urllib.request.Request(f"{DASHBOARD}/api/serve/applications/", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: bytes = response.read()
        return answer


def wait_until(true: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.25)


@pytest.fixture(scope="session")
def upstream_in_thread() -> Iterator[FakeUpstream]:
    """The fake provider on a loop of its own, for tests that are not asynchronous."""
    loop, ready, box = asyncio.new_event_loop(), threading.Event(), []
    stop = asyncio.Event()

    async def run() -> None:
        async with running_upstream() as upstream:
            box.append(upstream)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait()
    yield box[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, upstream_in_thread: FakeUpstream) -> Iterator[Cluster]:
    assert ensure_minilm().is_dir()
    folder, port = tmp_path_factory.mktemp("cluster"), _free_port()
    config = cluster_config(folder, upstream_in_thread.url)
    path, log = folder / "serve_config.yaml", folder / "serve.log"
    path.write_text(yaml.safe_dump(config))
    config["http_options"]["port"] = port
    env = {**os.environ, "PORT": str(port), "RAY_ADDRESS": "local", "TEST_KEY": "sk-test-0123456789"}
    command = [sys.executable, "-m", "deployments.launch", str(path)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=output, stderr=output, start_new_session=True)
    running = Cluster(f"http://127.0.0.1:{port}", config, upstream_in_thread, process, log)
    try:
        wait_until(lambda: _answers(running), ROUTER_UP_S, f"the router's first answer (see {log})")
        wait_until(lambda: "router" in running.applications(), ROUTER_UP_S, "the dashboard's first answer")
        yield running
    finally:
        running.http.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DOWN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        print(log.read_text(errors="replace")[-3000:])


@pytest.fixture(scope="session")
def llama(cluster: Cluster) -> Cluster:
    """The cluster once its local model answers."""
    wait_until(lambda: "llama" in _available(cluster), LLAMA_UP_S, f"Llama's first answer (see {cluster.log})")
    return cluster


def cluster_config(folder: Path, upstream_url: str) -> dict[str, Any]:
    """The shipped serve_config.yaml with a catalogue of its own, a LoRA adapter, and nothing else changed."""
    config: dict[str, Any] = yaml.safe_load(project_path("serve_config.yaml").read_text())
    router, llama = config["applications"]
    models = yaml.safe_load(project_path("configs/models.yaml").read_text())["models"]
    local = next(model for model in models if model["id"] == "llama")
    far = {
        **local,
        "provider": "openai-compatible",
        "base_url": f"{upstream_url}/v1",
        "key_variable": "TEST_KEY",
        "prices_usd_per_million": {"input": 2, "output": 8},
        "context_window_tokens": 100_000,
    }
    catalogue = {
        "models": [
            local,
            {**local, "id": "llama-lora", "upstream_name": "test-adapter", "allowed_tiers": ["enterprise"]},
            {**far, "id": "medium", "upstream_name": "medium", "quality_tier": "medium"},
            {
                **far,
                "id": "strong",
                "upstream_name": "strong",
                "quality_tier": "high",
                "strengths": ["coding", "analytical"],
            },
        ]
    }
    (folder / "models.yaml").write_text(yaml.safe_dump(catalogue))
    router["args"]["catalogue"] = str(folder / "models.yaml")
    llama["args"]["lora_adapters"] = [{"name": "test-adapter", "path": str(make_adapter(folder / "adapter"))}]
    return config


def make_adapter(folder: Path) -> Path:
    """A LoRA adapter of rank 8 for the embedded model, with random weights: large enough to change what it says."""
    from safetensors.numpy import save_file

    shape = json.loads((ensure_llama_weights() / "config.json").read_text())
    hidden, rank = shape["hidden_size"], 8
    keys = shape["num_key_value_heads"] * hidden // shape["num_attention_heads"]
    random, tensors = numpy.random.default_rng(7), {}
    for layer in range(shape["num_hidden_layers"]):
        for name, size in (("q_proj", hidden), ("v_proj", keys)):
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{prefix}.lora_A.weight"] = random.normal(0, 0.1, (rank, hidden)).astype("float32")
            tensors[f"{prefix}.lora_B.weight"] = random.normal(0, 0.1, (size, rank)).astype("float32")
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": 2 * rank,
        "bias": "none",
        "target_modules": ["q_proj", "v_proj"],
        "base_model_name_or_path": "embedded",
        "lora_dropout": 0.0,
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def _answers(cluster: Cluster) -> bool:
    assert cluster.process.poll() is None, f"the launcher ended:\n{cluster.log.read_text(errors='replace')[-3000:]}"
    try:
        return cluster.http.get("/api/v1/health").status_code == 200
    except httpx.HTTPError:
        return False


def _available(cluster: Cluster) -> set[str]:
    return {model["id"] for model in cluster.http.get("/api/v1/models").json()["models"] if model["available"]}
