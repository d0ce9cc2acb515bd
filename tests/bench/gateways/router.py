"""This router as it is shipped, storage, caches and metrics on, with models behind the common upstream."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from app.artifacts.cache import cache_root
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.paths import project_path
from tests.bench.gateways.upstream import MODEL, Upstream
from tests.bench.memory import Queries, fill
from tests.servers.process import wait_until
from tests.servers.router import Cluster, cluster_config, running_router, write_catalogue

WHOLE, BURST, PACED = MODEL, "burst", "paced"  # by the upstream that each is behind
SECOND = "strong"  # so that there is something to decide
TIERS = {WHOLE: "low", SECOND: "high"}  # a rule for small talk wants a small model
REPLICAS_UP_S = 60.0
COMMON = {
    "provider": "openai-compatible",
    "key_variable": "TEST_KEY",
    "prices_usd_per_million": {"input": 2, "output": 8},
    "context_window_tokens": 100_000,
    "capabilities": ["chat", "stream"],
    "expected_latency_ms": 1000,
}


@contextmanager
def running_gateway(upstream: Upstream, memories: int) -> Iterator[Cluster]:
    """Without Llama, which the other gateways have not either; with so many memories of outcomes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if memories:
            _remember(folder / "memory", memories)
        with running_router(folder, _config(folder, upstream)) as cluster:
            yield cluster


def ingress_replicas(cluster: Cluster, count: int) -> None:
    """Deploys so many and waits for them."""
    deployments = cluster.config["applications"][0]["deployments"]
    ingress = next(one for one in deployments if one["name"] == "Ingress")
    ingress["autoscaling_config"] |= {"min_replicas": count, "max_replicas": count}
    cluster.deploy(cluster.config)
    wait_until(lambda: len(cluster.replica_pids("Ingress")) == count, REPLICAS_UP_S, f"{count} replicas of Ingress")


def _config(folder: Path, upstream: Upstream) -> dict[str, Any]:
    config = cluster_config(folder, upstream.whole)
    config["applications"] = config["applications"][:1]
    config["applications"][0]["args"]["llama_application"] = None
    urls = {WHOLE: upstream.whole, BURST: upstream.burst, PACED: upstream.paced, SECOND: upstream.whole}
    models = [
        {"id": id_, "upstream_name": MODEL, "base_url": url, "quality_tier": TIERS.get(id_, "medium")}
        for id_, url in urls.items()
    ]
    write_catalogue(folder, config, [{**COMMON, **model} for model in models])
    config["applications"][0]["args"]["rules"] = str(_rules(folder))
    return config


def _rules(folder: Path) -> Path:
    """The shipped ones, but for small talk any small model will do: there is no local one here."""
    rules = yaml.safe_load(project_path("configs/rules.yaml").read_text())
    for rule in rules["rules"]:
        rule["prefer"].pop("provider", None)
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(rules, allow_unicode=True))
    return path


def _remember(folder: Path, count: int) -> None:
    """They take minutes to make: made once, outside the tree."""
    made = cache_root() / "gateways" / f"memories-{count}"
    if not made.exists():
        half = made.with_suffix(".part")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        asyncio.run(_fill(half, count))
        half.rename(made)
    shutil.copytree(made, folder)


async def _fill(folder: Path, count: int) -> None:
    history = await ChromaHistory.open(MemoryConfig(folder=str(folder), max_memories=10 * count), None)
    await fill(history, Queries(), count)
    await history.close()
