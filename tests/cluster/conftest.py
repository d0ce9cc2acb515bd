"""One real Ray cluster for all cluster tests."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from app.artifacts.llama import ensure_llama_weights
from tests.cluster import report
from tests.cluster.production import Production, running_production
from tests.fakes.artifact import make_artifact
from tests.fakes.upstream import FakeUpstream, upstream_in_a_thread
from tests.servers.process import tail
from tests.servers.router import Cluster, add_adapter, cluster_config, running_router

SUCCESS = {"llama": 0.4, "medium": 0.7, "strong": 0.9}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if table := report.table():
        terminalreporter.section("faults")
        terminalreporter.write_line(table)


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeUpstream]:
    with upstream_in_a_thread() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    config = cluster_config(folder, upstream.url)
    config["applications"][1]["args"]["cpu"]["default_max_tokens"] = 64
    add_adapter(folder, config, "llama-lora", "test-adapter", make_adapter(folder / "adapter"))
    config = with_artifact(config, make_artifact(folder / "classifier", SUCCESS, version="c1"))
    with running_router(folder, config) as running:
        yield running
    print(tail(running.log))


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Production]:
    """A router of its own in production mode, without Llama."""
    with running_production(tmp_path_factory.mktemp("production"), upstream.url) as running:
        yield running


@pytest.fixture(scope="session")
def llama(cluster: Cluster) -> Cluster:
    """The cluster once its local model answers."""
    cluster.wait_for_llama()
    return cluster


def with_artifact(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The config with another classifier."""
    config = copy.deepcopy(config)
    for deployment in config["applications"][0]["deployments"]:
        if deployment["name"] == "Classifier":
            deployment["user_config"] = {"artifact": str(folder)}
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
