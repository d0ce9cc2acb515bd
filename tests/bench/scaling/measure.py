"""python -m tests.bench.scaling.measure: what the simulation's costs (costs.py) are taken from.

CPU time of each deployment a request, from a running router, so that other work on the machine counts little; and how
long a further replica of each takes to start.
"""

import asyncio
import copy
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from tests.bench.memory import Queries, fill
from tests.fakes.echo import Echo
from tests.fakes.upstream import upstream_in_a_thread
from tests.servers.process import wait_until
from tests.servers.router import Cluster, cluster_config, running_router

DEPLOYMENTS = ("Ingress", "DecisionEngine", "FeatureExtractor", "Classifier", "Retriever")
SCALED = DEPLOYMENTS[:-1]  # the Retriever has one replica where Chroma is a folder
MEMORIES = 20_000
PIECES, PAUSE_S = 100, 0.002
SHORT = "Is {} a prime number, and how would a child find out?"
LONG = " ".join(["The river froze early that year, and nobody in the village could say why it had."] * 30) + " {}?"
STREAM = "{} " + "word " * PIECES
NUMBERS = count(1)
START_S = 120.0
Body = Mapping[str, Any]


def main() -> None:
    with tempfile.TemporaryDirectory() as name, upstream_in_a_thread() as upstream:
        folder = Path(name)
        config = cluster_config(folder, upstream.url)
        config["applications"] = config["applications"][:1]
        config["applications"][0]["args"]["llama_application"] = None
        asyncio.run(_remember(folder / "memory"))
        upstream.usual = Echo(pieces=PIECES, pause_s=PAUSE_S)
        with running_router(folder, config) as router:
            costs(router)
            starts(router, config)


def costs(router: Cluster) -> None:
    """/route decides and calls nobody. The load at 16 connections comes to batches of about seven."""
    chat, route = "/api/v1/chat", "/api/v1/route"
    passed = {"query": SHORT, "user_id": "bench", "model": "medium", "cache": False}
    print("CPU ms a request        connections requests/s " + " ".join(f"{name:>16}" for name in DEPLOYMENTS))
    for label, path, body, requests, at_once in (
        ("warming up", route, {"query": SHORT, "user_id": "bench"}, 200, 8),
        ("cached", chat, {"query": "hello", "user_id": "bench", "model": "medium"}, 3000, 8),
        ("passed through", chat, passed, 3000, 8),
        (f"streamed, {PIECES} pieces", chat, {**passed, "query": STREAM, "stream": True}, 400, 8),
        ("decided, 17 pieces", route, {"query": SHORT, "user_id": "bench"}, 300, 1),
        ("decided, 17 pieces", route, {"query": SHORT, "user_id": "bench"}, 1500, 16),
        ("decided, 256 pieces", route, {"query": LONG, "user_id": "bench"}, 300, 16),
    ):
        before, started = cpu_s(router), time.monotonic()
        asyncio.run(_send(router.url + path, body, requests, at_once))
        took_s, after = time.monotonic() - started, cpu_s(router)
        spent = " ".join(f"{1000 * (after[name] - before[name]) / requests:16.2f}" for name in DEPLOYMENTS)
        print(f"  {label:22} {at_once:10d} {requests / took_s:10.0f} {spent}", flush=True)


def starts(router: Cluster, config: dict[str, Any]) -> None:
    """From the new configuration to the second replica that answers, one deployment after the other."""
    config = copy.deepcopy(config)
    for name in SCALED:
        deployments = config["applications"][0]["deployments"]
        given = next(one for one in deployments if one["name"] == name)["autoscaling_config"]
        given |= {"min_replicas": 2, "max_replicas": 2}
        started = time.monotonic()
        router.deploy(config)
        wait_until(partial(_two, router, name), START_S, f"a second {name}")
        print(f"a second {name} after {time.monotonic() - started:.1f} s", flush=True)


async def _remember(folder: Path) -> None:
    history = await ChromaHistory.open(MemoryConfig(folder=str(folder)), None)
    await fill(history, Queries(), MEMORIES)
    await history.close()


def _two(router: Cluster, name: str) -> bool:
    return len(router.replica_pids(name)) == 2


def cpu_s(router: Cluster) -> dict[str, float]:
    found = {}
    for name in DEPLOYMENTS:
        times = [psutil.Process(pid).cpu_times() for pid in router.replica_pids(name)]
        found[name] = sum(one.user + one.system for one in times)
    return found


async def _send(url: str, body: Body, requests: int, at_once: int) -> None:
    bodies = iter([{**body, "query": body["query"].format(next(NUMBERS))} for _ in range(requests)])

    async def client(session: aiohttp.ClientSession) -> None:
        for one in bodies:
            async with session.post(url, json=one) as response:
                await response.read()
                assert response.status == 200, response.status

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(at_once)))


if __name__ == "__main__":
    main()
