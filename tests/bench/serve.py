"""What it costs to have the router in between: start, overhead, first token, memory. Needs wrk (apt-get install wrk).

    python -m tests.bench.serve [--seconds 8] [--memories 100000]

Starts the router as `make serve` does, measures it, stops it, and then measures vLLM's own server on the same prompt.
Machines are noisy: compare figures of one run.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from tests.bench.memory import Queries, fill
from tests.bench.wrk import Load, wrk
from tests.servers.process import wait_until
from tests.servers.router import LLAMA_UP_S, Cluster, cluster_config, running_router
from tests.servers.vllm import MODEL, running_vllm

FIRST_TOKENS = 30
UNUSED = "http://127.0.0.1:9"  # decisions are measured without calling a model
QUERIES = {"rules only": "hello", "all stages": "Is 91 a prime number, and how would a child find out?"}
MESSAGES = [{"role": "user", "content": "Tell me a short story about a lighthouse keeper and a lost whale."}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="length of each load")
    parser.add_argument("--memories", type=int, default=0, help="that the memory holds, a lookup looks at all")
    options = parser.parse_args()
    seconds = options.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = cluster_config(folder, UNUSED)
        asyncio.run(remember(folder / "memory", options.memories))
        with running_router(folder, config) as cluster:
            start(cluster)
            overhead(cluster, seconds)
            memory(cluster)
            through_router = first_token_ms(cluster.url, "llama")
        with running_vllm(folder) as url:
            direct = first_token_ms(url, MODEL)
    print("\nfirst token of a stream, p50 ms")
    print(f"  through the router {through_router:7.1f}")
    print(f"  vLLM's own server  {direct:7.1f}")
    print(f"  added              {through_router - direct:7.1f}")


async def remember(folder: Path, count: int) -> None:
    if count:
        history = await ChromaHistory.open(MemoryConfig(folder=str(folder), max_memories=10 * count), None)
        await fill(history, Queries(), count)
        await history.close()
        print(f"{count:,} memories", flush=True)


def start(cluster: Cluster) -> None:
    print(f"start: first 200 of the router after {cluster.router_s:.1f} s", flush=True)
    ask = {"query": "hello", "user_id": "bench", "model": "llama"}

    def answers() -> bool:
        return cluster.http.post("/api/v1/chat", json=ask).status_code == 200

    wait_until(answers, LLAMA_UP_S, "Llama's first answer")
    print(f"start: Llama's first answer after {time.monotonic() - cluster.started:.1f} s", flush=True)


def overhead(cluster: Cluster, seconds: int) -> None:
    print("\ndecision (POST /api/v1/route)     connections  requests/s   p50 ms   p99 ms  failed")
    for name, query in QUERIES.items():
        body = {"query": query, "user_id": "bench"}
        wrk(f"{cluster.url}/api/v1/route", body, connections=8, seconds=2)
        for connections in (1, 32):
            load: Load = wrk(f"{cluster.url}/api/v1/route", body, connections=connections, seconds=seconds)
            figures = f"{load.rps:10.0f} {load.p50_ms:8.2f} {load.p99_ms:8.2f} {load.failed:7d}"
            print(f"  {name:30} {connections:12d}  {figures}", flush=True)


def memory(cluster: Cluster) -> None:
    """Proportional set size, so that shared pages are counted once over all processes."""
    sizes: dict[str, float] = defaultdict(float)
    for process in psutil.Process(cluster.process.pid).children(recursive=True):
        try:
            command = process.cmdline()
            sizes[_name(command)] += process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue
    print("\nmemory (proportional set size)       MiB")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"  {name:32} {size:8.0f}")
    print(f"  {'all':32} {sum(sizes.values()):8.0f}", flush=True)


def _name(command: list[str]) -> str:
    first = command[0] if command else "?"
    if "python" in Path(first).name and len(command) > 1:
        return next((Path(part).name for part in command[1:] if part.endswith(".py") or "serve" in part), "python")
    return first if first.startswith(("ray::", "VLLM::")) else Path(first).name


def first_token_ms(url: str, model: str) -> float:
    body: dict[str, Any] = {"model": model, "messages": MESSAGES, "stream": True, "max_tokens": 8, "temperature": 0}
    times = []
    with httpx.Client(base_url=url, timeout=60, headers={"cache-control": "no-store"}) as http:
        for _ in range(FIRST_TOKENS + 3):
            started, first = time.perf_counter(), None
            with http.stream("POST", "/v1/chat/completions", json=body) as response:
                for line in response.iter_lines():  # to the end: an abandoned stream would slow the next one
                    if first is None and _has_text(line):
                        first = (time.perf_counter() - started) * 1000
            assert first is not None
            times.append(first)
    return statistics.median(times[3:])  # the first ones warm up


def _has_text(line: str) -> bool:
    if not line.startswith("data: {"):
        return False
    choices = json.loads(line.removeprefix("data: "))["choices"]
    return bool(choices and choices[0]["delta"].get("content"))


if __name__ == "__main__":
    main()
