"""This router beside LiteLLM and Portkey, one run, one mock upstream. Needs nginx and wrk, and Node.js for Portkey.

    python -m tests.bench.gateways [--only router peers replicas] [--seconds 4] [--memories 100000] [--folder FOLDER]

Writes result.json, result.md and result.png. Machines are noisy: compare figures of one run.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tests.bench.gateways import measure
from tests.bench.gateways.peers import Gateway, running_litellm, running_portkey
from tests.bench.gateways.plot import plot
from tests.bench.gateways.report import ROUTER, TWO, markdown
from tests.bench.gateways.router import BURST, PACED, WHOLE, running_gateway
from tests.bench.gateways.upstream import Upstream, running_upstream
from tests.servers.router import Cluster

PIECES = ("peers", "router", "replicas")
MODELS = {"whole": WHOLE, "burst": BURST, "paced": PACED}


@dataclass
class Run:
    seconds: int
    upstream: Upstream
    loads: list[measure.Measured] = field(default_factory=list)
    first_chunk_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    memory_mb: dict[str, dict[str, float]] = field(default_factory=dict)

    def gateway(self, gateway: Gateway) -> None:
        """What every gateway does."""
        self.loads += measure.pass_through(gateway, self.seconds)
        if gateway.streams:
            self.first_chunk_ms[gateway.name] = measure.added_first_chunk_ms(gateway, self.upstream)
            self.loads += measure.streams(gateway, self.seconds)

    def router(self, gateway: Gateway) -> None:
        """What only this one does."""
        self.loads += measure.exact_hits(gateway, self.seconds)
        self.loads += measure.decisions(gateway, self.seconds)
        self.loads += measure.answered(gateway, self.seconds)

    def replicas(self, gateway: Gateway) -> None:
        self.loads += measure.pass_through(gateway, self.seconds, (32, 128))
        self.loads += measure.exact_hits(gateway, self.seconds, (32, 128))
        self.loads += measure.decisions(gateway, self.seconds, (measure.FULL,), (32, 128))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PIECES, default=PIECES)
    parser.add_argument("--seconds", type=int, default=4, help="length of each load")
    parser.add_argument("--memories", type=int, default=100_000, help="that the memory holds, a lookup looks at all")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the results go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_upstream(Path(name) / "upstream") as upstream:
        run = Run(options.seconds, upstream)
        if "peers" in options.only:
            for start in (running_portkey, running_litellm):
                with start(Path(name), upstream) as gateway:
                    run.gateway(gateway)
                    run.memory_mb[gateway.name] = measure.memory(gateway)
            write(run, options.folder)
        if "router" in options.only:
            with running_gateway(upstream, options.memories) as cluster, _named(cluster, ROUTER) as gateway:
                run.gateway(gateway)
                run.router(gateway)
                run.memory_mb[ROUTER] = measure.memory(gateway)
            write(run, options.folder)
        if "replicas" in options.only:
            with running_gateway(upstream, options.memories, 2) as cluster, _named(cluster, TWO) as gateway:
                run.replicas(gateway)
            write(run, options.folder)


@contextmanager
def _named(cluster: Cluster, name: str) -> Iterator[Gateway]:
    yield Gateway(name, cluster.url, cluster.process.pid, {}, MODELS)


def write(run: Run, folder: Path) -> None:
    """After each piece, so that what fails later loses nothing."""
    result: dict[str, Any] = {
        "machine": f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB, "
        f"{platform.machine()}; load, gateway and upstream share them; {run.seconds} s a load; load average at the "
        f"end {os.getloadavg()[0]:.1f}",
        "loads": [asdict(one) for one in run.loads],
        "first_chunk_ms": run.first_chunk_ms,
        "memory_mb": run.memory_mb,
    }
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "result.md").write_text(markdown(result))
    plot(run.loads, folder / "result.png")


if __name__ == "__main__":
    main()
