"""Minutes at 70 % of capacity: does latency drift, does memory grow?

    python -m tests.bench.gateways.soak [--minutes 10] [--share 0.7]

Pass-through requests with `cache: false`, each stored: with the cache on, memory would grow until the cache is at its
bound (exact_max_mb). The first minute warms up and does not count.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import psutil

from tests.bench.gateways.measure import COMPLETIONS
from tests.bench.gateways.processes import memory_mb
from tests.bench.gateways.router import WHOLE, running_gateway
from tests.bench.gateways.upstream import running_upstream
from tests.bench.wrk import NUMBER, Load, wrk
from tests.servers.router import Cluster

CONNECTIONS, SLICE_S = 32, 30
BODY = {"model": WHOLE, "messages": [{"role": "user", "content": f"What is Python? {NUMBER}"}], "cache": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.7, help="of the requests/s at full load")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        running_upstream(Path(name) / "upstream") as upstream,
        running_gateway(upstream, 0) as cluster,
    ):
        soak(cluster, options.minutes, options.share)


def soak(cluster: Cluster, minutes: float, share: float) -> None:
    url = cluster.url + COMPLETIONS
    wrk(url, BODY, connections=CONNECTIONS, seconds=5)
    full = wrk(url, BODY, connections=CONNECTIONS, seconds=10).rps
    pause_ms = pause_for(full * share, url)
    print(f"capacity {full:.0f} requests/s; each of {CONNECTIONS} connections waits {pause_ms} ms between two requests")
    print("  s  requests/s  p50 ms  p99 ms  failed  Ingress MiB  all MiB", flush=True)
    loads, sizes = [], []
    for number in range(round((minutes + 1) * 60 / SLICE_S)):
        load = wrk(url, BODY, connections=CONNECTIONS, seconds=SLICE_S, pause_ms=pause_ms)
        sizes.append((_ingress_mb(cluster), sum(memory_mb(cluster.process.pid).values())))
        loads.append(load)
        figures = f"{load.rps:10.0f} {load.p50_ms:7.2f} {load.p99_ms:7.1f} {load.failed:7d}"
        print(f"{(number + 1) * SLICE_S:4d} {figures} {sizes[-1][0]:12.1f} {sizes[-1][1]:8.0f}", flush=True)
    show(loads[60 // SLICE_S :], sizes[60 // SLICE_S - 1 :])


def pause_for(rps: float, url: str) -> int:
    """In whole milliseconds, found by trying: the pause and the answer together make the rate."""
    pause_ms = 1000 * CONNECTIONS / rps
    for _ in range(2):
        load = wrk(url, BODY, connections=CONNECTIONS, seconds=5, pause_ms=max(1, round(pause_ms)))
        pause_ms += 1000 * CONNECTIONS * (1 / rps - 1 / load.rps)
    return max(1, round(pause_ms))


def show(loads: list[Load], sizes: list[tuple[float, float]]) -> None:
    third = max(1, len(loads) // 3)
    early, late = (median(load.p99_ms for load in part) for part in (loads[:third], loads[-third:]))
    print(f"p99: {early:.1f} ms in the first third, {late:.1f} in the last ({late / early - 1:+.0%})")
    for place, what in enumerate(("Ingress", "all processes")):
        first, last = sizes[0][place], sizes[-1][place]
        print(f"memory of {what}: {first:.1f} MiB, then {last:.1f} ({last / first - 1:+.2%})")
    print(f"failed: {sum(load.failed for load in loads)} of {sum(load.rps for load in loads) * SLICE_S:.0f}")


def _ingress_mb(cluster: Cluster) -> float:
    return sum(psutil.Process(pid).memory_info().rss for pid in cluster.replica_pids("Ingress")) / 2**20


if __name__ == "__main__":
    main()
