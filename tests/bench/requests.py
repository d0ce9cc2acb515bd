"""What storage and caches cost and spare a whole request, through the running router. Needs wrk.

    python -m tests.bench.requests [--seconds 6] [--rounds 2] [--memory 0]

The same request to a local upstream that answers at once: passed through with storage off, on SQLite and on PostgreSQL,
and answered from the exact cache in process and in Redis. The routers are started and measured in turns; the median of
the rounds is printed.
`--memory 200000` sends so many different requests through the router on SQLite and prints the ingress's memory.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

import aiohttp
import psutil

from tests.bench.wrk import Load, wrk
from tests.fakes.upstream import upstream_in_a_thread
from tests.servers.postgres import running_postgres
from tests.servers.redis import running_redis
from tests.servers.router import Cluster, cluster_config, running_router

BODY = {"query": "hello", "user_id": "bench", "model": "medium"}
FRESH = {**BODY, "cache": False}
SHIPPED = "deployments.launch"
CONNECTIONS = (1, 32)
AT_ONCE, STEPS = 16, 10
Loads = dict[tuple[str, str, int], list[Load]]  # by kind of request, router and connections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=6, help="length of each load")
    parser.add_argument("--rounds", type=int, default=2, help="how often each router is started and measured")
    parser.add_argument("--memory", type=int, default=0, help="requests for the look at memory")
    options = parser.parse_args()
    loads: Loads = {}
    with (
        tempfile.TemporaryDirectory() as name,
        upstream_in_a_thread() as upstream,
        running_postgres() as postgres,
        running_redis(Path(name)) as redis,
    ):
        servers = {"DATABASE_URL": postgres.url(postgres.database()), "REDIS_URL": redis.url}
        for round_ in range(options.rounds):
            for label, launcher, variables in (
                ("no storage, cache in process", "tests.bench.without_storage", {}),
                ("SQLite, cache in process", SHIPPED, {}),
                ("PostgreSQL, cache in Redis", SHIPPED, servers),
            ):
                folder = Path(name) / f"{round_} {label}"
                folder.mkdir()
                with _router(folder, upstream.url, launcher, variables) as router:
                    measure(router, label, options.seconds, loads)
        show(loads)
        if options.memory:
            with _router(Path(name), upstream.url, SHIPPED, {}) as router:
                asyncio.run(memory(router, options.memory))


def _router(
    folder: Path, upstream_url: str, launcher: str, variables: dict[str, str]
) -> AbstractContextManager[Cluster]:
    config = cluster_config(folder, upstream_url)
    config["applications"] = config["applications"][:1]
    config["applications"][0]["args"]["llama_application"] = None
    if launcher != SHIPPED:
        config["applications"][0]["import_path"] = f"{launcher}:router"
    return running_router(folder, config, launcher=launcher, **variables)


def measure(router: Cluster, label: str, seconds: int, loads: Loads) -> None:
    for kind, body in (("passed through", FRESH), ("exact cache", BODY)):
        wrk(f"{router.url}/api/v1/chat", body, connections=8, seconds=2)
        for connections in CONNECTIONS:
            load = wrk(f"{router.url}/api/v1/chat", body, connections=connections, seconds=seconds)
            loads.setdefault((kind, label, connections), []).append(load)


def show(loads: Loads) -> None:
    print("\nPOST /api/v1/chat                               connections  requests/s   p50 ms   p99 ms  failed")
    for (kind, label, connections), measured in sorted(loads.items()):
        rps, p50 = median(load.rps for load in measured), median(load.p50_ms for load in measured)
        p99, failed = median(load.p99_ms for load in measured), sum(load.failed for load in measured)
        print(f"  {kind:15} {label:30} {connections:11d} {rps:11.0f} {p50:8.2f} {p99:8.2f} {failed:7d}", flush=True)


async def memory(router: Cluster, requests: int) -> None:
    """Different queries, so that nothing comes from the exact cache and everything is kept in it."""
    (pid,) = router.replica_pids("Ingress")
    ingress = psutil.Process(pid)
    print("\nrequests   ingress, MiB (resident)")
    async with aiohttp.ClientSession() as session:
        for step in range(STEPS + 1):
            print(f"{step * requests // STEPS:8d}   {ingress.memory_info().rss / 2**20:12.0f}", flush=True)
            numbers = iter(range(step * requests // STEPS, (step + 1) * requests // STEPS if step < STEPS else 0))
            await asyncio.gather(*(_ask(session, router.url, numbers) for _ in range(AT_ONCE)))


async def _ask(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> None:
    for number in numbers:
        body = {**BODY, "query": f"What is {number} times {number}?"}
        async with session.post(f"{url}/api/v1/chat", json=body) as response:
            assert response.status == 200, await response.text()
            await response.read()


if __name__ == "__main__":
    main()
