"""The loads that a gateway is put under, and what is written down of each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.bench.gateways.peers import Gateway
from tests.bench.gateways.processes import cpu_seconds, memory_mb
from tests.bench.gateways.streams import first_chunk_ms
from tests.bench.gateways.upstream import CHUNKS, MODEL, Upstream
from tests.bench.wrk import NUMBER, wrk

COMPLETIONS, ROUTE = "/v1/chat/completions", "/api/v1/route"
PASS, EXACT, STREAM = "pass-through", "exact cache", f"stream of {CHUNKS + 1} chunks"
RULES, FULL, LONG, ANSWERED = "rules only", "full decision", "full decision, 500 tokens", "full decision, answered"
CONNECTIONS = (1, 8, 32, 128)
WARM_S = 2
QUESTION = "Is 91 a prime number, and how would a child find out?"
SENTENCE = "We moved the billing service to another region last week, and since then some of the night jobs end late. "
LONG_QUESTION = SENTENCE * 22 + "What would you look at first?"  # some 500 tokens


@dataclass(frozen=True, slots=True)
class Measured:
    """One load. `cpu_s` is the time of all processes of the gateway for 1,000 requests.

    `skipped` is the share of decisions in which a stage was late, busy or broken; None where nothing is decided.
    """

    gateway: str
    kind: str
    connections: int
    rps: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_s: float
    skipped: float | None = None


def pass_through(gateway: Gateway, seconds: int, connections: Sequence[int] = CONNECTIONS) -> list[Measured]:
    """No two requests are equal: no cache can answer, but the router looks, and keeps each answer."""
    body = gateway.body("whole", f"What is Python? {NUMBER}")
    return _loads(gateway, PASS, COMPLETIONS, body, "whole", seconds, connections)


def streams(gateway: Gateway, seconds: int) -> list[Measured]:
    body = gateway.body("burst", f"What is Python? {NUMBER}", stream=True)
    return _loads(gateway, STREAM, COMPLETIONS, body, "burst", seconds, (1, 8))


def added_first_chunk_ms(gateway: Gateway, upstream: Upstream) -> dict[str, float]:
    """p50 of the time to the first chunk, of the gateway and of the bare upstream in the same minute.

    Text that differs from run to run is not needed: requests are made one after the other and not to be cached.
    """
    body = gateway.body("paced", "Tell me a story.", stream=True)
    headers = {**gateway.headers.get("paced", {}), "cache-control": "no-store"}
    bare = {**body, "model": MODEL}
    found = first_chunk_ms(
        {
            "upstream": (f"{upstream.paced}/chat/completions", bare, {}),
            "gateway": (f"{gateway.url}{COMPLETIONS}", body, headers),
        }
    )
    return {**found, "added": found["gateway"] - found["upstream"]}


def exact_hits(gateway: Gateway, seconds: int, connections: Sequence[int] = CONNECTIONS) -> list[Measured]:
    """The same request again and again; the first one fills the cache."""
    body = gateway.body("whole", "What is Python?")
    return _loads(gateway, EXACT, COMPLETIONS, body, "whole", seconds, connections)


def decisions(
    gateway: Gateway, seconds: int, kinds: Sequence[str] = (RULES, FULL, LONG), connections: Sequence[int] = CONNECTIONS
) -> list[Measured]:
    """POST /api/v1/route: decided and written down in log and metrics, no model is called, nothing is cached."""
    queries = {RULES: "hello", FULL: QUESTION, LONG: LONG_QUESTION}
    return [
        one
        for kind in kinds
        for one in _loads(
            gateway, kind, ROUTE, {"query": queries[kind], "user_id": "bench"}, "whole", seconds, connections
        )
    ]


def answered(gateway: Gateway, seconds: int) -> list[Measured]:
    """The whole way with `model: auto`: decided by all stages, called, stored, cached, remembered."""
    body = {**gateway.body("whole", f"{QUESTION} {NUMBER}"), "model": "auto"}
    return _loads(gateway, ANSWERED, COMPLETIONS, body, "whole", seconds, CONNECTIONS)


def memory(gateway: Gateway) -> dict[str, float]:
    return memory_mb(gateway.pid)


def _loads(
    gateway: Gateway,
    kind: str,
    path: str,
    body: Mapping[str, Any],
    upstream: str,
    seconds: int,
    connections: Sequence[int],
) -> list[Measured]:
    url, headers = gateway.url + path, gateway.headers.get(upstream, {})
    wrk(url, body, connections=8, seconds=WARM_S, headers=headers)
    return [_load(gateway, kind, url, body, headers, seconds, number) for number in connections]


def _load(
    gateway: Gateway,
    kind: str,
    url: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    seconds: int,
    connections: int,
) -> Measured:
    decided, before_s = _decisions(gateway), cpu_seconds(gateway.pid)
    load = wrk(url, body, connections=connections, seconds=seconds, headers=headers)
    cpu_s = (cpu_seconds(gateway.pid) - before_s) / max(load.rps * seconds, 1) * 1000
    more = {cause: count - decided.get(cause, 0.0) for cause, count in _decisions(gateway).items()}
    skipped = more.get("degraded", 0.0) / sum(more.values()) if sum(more.values()) and ROUTE in url else None
    figures = (load.rps, load.p50_ms, load.p99_ms, load.failed)
    measured = Measured(gateway.name, kind, connections, *figures, cpu_s, skipped)
    print(f"  {gateway.name:12} {kind:26} {connections:4d} {load.rps:9.0f} {load.p50_ms:8.2f} ms", flush=True)
    return measured


def _decisions(gateway: Gateway) -> dict[str, float]:
    """Of the router, by cause, so far."""
    if gateway.headers:
        return {}
    text = httpx.get(f"{gateway.url}/api/v1/metrics", timeout=30).text
    found: dict[str, float] = {}
    for cause, count in re.findall(r'^llm_router_routing_decisions_total{.*routing_type="(\w+)".*} (\S+)$', text, re.M):
        found[cause] = found.get(cause, 0.0) + float(count)
    return found
