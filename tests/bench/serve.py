"""The router with Llama: start, first token, memory.

    python -m tests.bench.serve

Starts the router as `make serve` does, measures it, stops it, and then measures vLLM's own server on the same prompt.
Machines are noisy: compare figures of one run.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench.gateways.processes import memory_mb
from tests.servers.process import wait_until
from tests.servers.router import LLAMA_UP_S, Cluster, cluster_config, running_router
from tests.servers.vllm import MODEL, running_vllm

FIRST_TOKENS = 30
UNUSED = "http://127.0.0.1:9"  # decisions are measured without calling a model
MESSAGES = [{"role": "user", "content": "Tell me a short story about a lighthouse keeper and a lost whale."}]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = cluster_config(folder, UNUSED)
        with running_router(folder, config) as cluster:
            start(cluster)
            memory(cluster)
            through_router = first_token_ms(cluster.url, "llama")
        with running_vllm(folder) as url:
            direct = first_token_ms(url, MODEL)
    print("\nfirst token of a stream, p50 ms")
    print(f"  through the router {through_router:7.1f}")
    print(f"  vLLM's own server  {direct:7.1f}")
    print(f"  added              {through_router - direct:7.1f}")


def start(cluster: Cluster) -> None:
    print(f"start: first 200 of the router after {cluster.router_s:.1f} s", flush=True)
    ask = {"query": "hello", "user_id": "bench", "model": "llama"}

    def answers() -> bool:
        return cluster.http.post("/api/v1/chat", json=ask).status_code == 200

    wait_until(answers, LLAMA_UP_S, "Llama's first answer")
    print(f"start: Llama's first answer after {time.monotonic() - cluster.started:.1f} s", flush=True)


def memory(cluster: Cluster) -> None:
    sizes = memory_mb(cluster.process.pid)
    print("\nmemory (proportional set size)       MiB")
    for name, size in (*sizes.items(), ("all", sum(sizes.values()))):
        print(f"  {name:32} {size:8.0f}", flush=True)


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
