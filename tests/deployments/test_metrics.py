"""The keeper in Ray's local testing mode: who answers is gathered, who does not is left out, nothing is forgotten."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ray import serve
from ray.experimental import internal_kv
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.observability.exposition import Snapshot, snapshot
from app.observability.labels import CacheKind
from app.observability.metrics import Metrics
from deployments.metrics import Measured, MetricsKeeper, gather_snapshots

pytestmark = pytest.mark.integration


class Counting(Measured):
    def __init__(self) -> None:
        self.metrics = Metrics()

    async def work(self, times: int) -> None:
        for _ in range(times):
            self.metrics.cache_hit(CacheKind.EXACT)


class Broken:
    async def metrics_snapshot(self) -> Snapshot:
        raise RuntimeError("broken")


class Late:
    async def metrics_snapshot(self) -> Snapshot:
        await asyncio.sleep(1)
        return snapshot(Metrics().registry, "Late", "l")


def run(kind: type) -> "DeploymentHandle[Any]":
    application = serve.deployment(name=kind.__name__)(kind).bind()
    return serve.run(application, name=kind.__name__, _local_testing_mode=True)


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> dict[str, "DeploymentHandle[Any]"]:
    """Three deployments. Local testing mode has neither replica ids, nor lookups by name, nor Ray's store."""
    context = SimpleNamespace(deployment="Counting", replica_tag="c1", app_name="router")
    monkeypatch.setattr(serve, "get_replica_context", lambda: context)
    running = {kind.__name__: run(kind) for kind in (Counting, Broken, Late)}

    def find(name: str, _: str) -> "DeploymentHandle[Any]":
        if name not in running:
            raise RayServeException(f"{name} does not exist")
        return running[name]

    store: dict[bytes, bytes] = {}
    monkeypatch.setattr(serve, "get_deployment_handle", find)
    monkeypatch.setattr(internal_kv, "_internal_kv_get", store.get)
    monkeypatch.setattr(internal_kv, "_internal_kv_put", store.__setitem__)
    return running


def hits(text: bytes) -> dict[str, float]:
    return {
        sample.labels["replica"]: sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == "llm_router_cache_hits_total"
    }


async def test_broken_and_late_replicas_are_left_out(handles: dict[str, "DeploymentHandle[Any]"]) -> None:
    await handles["Counting"].work.remote(3)
    (only,) = await gather_snapshots(handles, timeout_s=0.2)
    assert (only.deployment, only.replica) == ("Counting", "c1")


async def test_scrapes_at_the_same_time_agree(handles: dict[str, "DeploymentHandle[Any]"]) -> None:
    keeper = MetricsKeeper(["Counting"])
    await handles["Counting"].work.remote(3)
    first, second = await asyncio.gather(keeper.scrape(), keeper.scrape())
    assert first == second
    assert hits(first) == {"0": 3}


async def test_a_new_keeper_goes_on_where_the_old_one_stopped(handles: dict[str, "DeploymentHandle[Any]"]) -> None:
    await handles["Counting"].work.remote(3)
    assert hits(await MetricsKeeper(["Counting"]).scrape()) == {"0": 3}
    del handles["Counting"]
    handles["Counting"] = handles["Broken"]
    assert hits(await MetricsKeeper(["Counting"]).scrape()) == {"0": 3}


async def test_a_deployment_that_does_not_exist_yet_is_looked_for_again(
    handles: dict[str, "DeploymentHandle[Any]"],
) -> None:
    counting = handles.pop("Counting")
    keeper = MetricsKeeper(["Counting"])
    assert await keeper.scrape() == b""
    handles["Counting"] = counting
    await counting.work.remote(2)
    assert hits(await keeper.scrape()) == {"0": 2}
