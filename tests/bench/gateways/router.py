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
def running_gateway(upstream: Upstream, memories: int, ingress: int = 1) -> Iterator[Cluster]:
    """Without Llama, which the other gateways have not either; with so many memories, and replicas of Ingress."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if memories:
            _remember(folder / "memory", memories)
        with running_router(folder, _config(folder, upstream, ingress)) as cluster:
            wait_until(lambda: len(cluster.replica_pids("Ingress")) == ingress, REPLICAS_UP_S, "the Ingress replicas")
            yield cluster


def _config(folder: Path, upstream: Upstream, ingress: int) -> dict[str, Any]:
    config = cluster_config(folder, upstream.whole)
    deployed = next(one for one in config["applications"][0]["deployments"] if one["name"] == "Ingress")
    deployed["autoscaling_config"] |= {"min_replicas": ingress, "max_replicas": ingress}
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
