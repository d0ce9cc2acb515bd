"""The MetricsKeeper on a real Ray cluster of its own, without models: replicas and the keeper itself are killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families
from ray import serve

from app.observability.labels import CacheKind
from app.observability.metrics import Metrics
from app.paths import PROJECT
from deployments.metrics import Measured, MetricsKeeper
from tests.servers.process import tail

pytestmark = pytest.mark.cluster

SMALL = {"num_cpus": 0.1}
IN_TIME_S = 60.0


class Counting(Measured):
    """Counts, and can be told to hang."""

    def __init__(self) -> None:
        self.metrics = Metrics()

    async def work(self) -> int:
        self.metrics.cache_hit(CacheKind.EXACT)
        return os.getpid()

    async def pid(self) -> int:
        return os.getpid()

    async def hang(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 -- on purpose: the replica's whole loop hangs


class Keeper(MetricsKeeper):
    async def pid(self) -> int:
        return os.getpid()


class Front:
    def __init__(self, counting: Any, keeper: Any) -> None:
        self._parts = counting, keeper


def test_no_total_goes_backwards_whoever_dies(tmp_path: Path) -> None:
    """In a process of its own: it starts a second Ray, which must not meet the one of the other tests."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "tests.cluster.test_metrics"]
    variables = {**os.environ, "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}  # as `make serve` sets it
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=PROJECT, env=variables, stdout=output, stderr=output, check=False)
    assert done.returncode == 0, tail(log)


async def scenario() -> None:
    counting = serve.get_deployment_handle("Counting", "counting")
    keeper = serve.get_deployment_handle("Keeper", "counting")
    pids = {await counting.work.remote() for _ in range(40)}
    assert len(pids) == 2, pids
    assert total(await keeper.scrape.remote()) == 40
    print("two replicas are added up")

    os.kill(pids.pop(), signal.SIGKILL)
    seen = [total(text) async for text in scrapes(keeper, 8.0)]
    assert set(seen) == {40.0}, seen
    print("a killed replica still counts")

    deadline = time.monotonic() + IN_TIME_S
    while await replicas(counting) < 2:
        assert time.monotonic() < deadline, "no new replica"
        await asyncio.sleep(0.2)
    for _ in range(20):
        await counting.work.remote()
    text = await keeper.scrape.remote()
    assert total(text) == 60
    assert places(text) <= {"0", "1", "2"}
    print("its successor counts on")

    os.kill(await keeper.pid.remote(), signal.SIGKILL)
    seen = [total(text) async for text in scrapes(keeper, 20.0)]
    assert seen, "no scrape was answered after the keeper's death"
    assert set(seen) == {60.0}, seen
    print(f"a new keeper goes on: {len(seen)} scrapes answered")

    hanging = counting.hang.remote(6.0)
    start = time.monotonic()
    text = await keeper.scrape.remote()
    assert total(text) == 60
    assert time.monotonic() - start < 4
    print(f"a replica that hangs delays a scrape by {time.monotonic() - start:.1f} s")
    await hanging


async def scrapes(keeper: Any, seconds: float) -> AsyncIterator[bytes]:
    """Those that are answered; one that fails leaves a gap in Prometheus and nothing else."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            async with asyncio.timeout(5):
                text: bytes = await keeper.scrape.remote()
        except Exception as error:
            print("a scrape failed:", type(error).__name__)
        else:
            yield text
        await asyncio.sleep(0.2)


async def replicas(counting: Any) -> int:
    try:
        return len(await counting.broadcast("pid").results_async(timeout_s=5))
    except Exception:  # one of them has just died
        return 0


def samples(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels["replica"]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def total(text: bytes) -> float:
    return sum(value for (name, _), value in samples(text).items() if name == "llm_router_cache_hits_total")


def places(text: bytes) -> set[str]:
    return {replica for _, replica in samples(text)}


def main() -> None:
    ray.init(address="local", num_cpus=2, include_dashboard=False)
    serve.start(proxy_location="Disabled")
    counting = serve.deployment(num_replicas=2, ray_actor_options=SMALL)(Counting).bind()
    keeper = serve.deployment(ray_actor_options=SMALL)(Keeper).bind(["Counting"], 1.0)
    serve.run(
        serve.deployment(ray_actor_options=SMALL)(Front).bind(counting, keeper), name="counting", route_prefix=None
    )
    try:
        asyncio.run(scenario())
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
