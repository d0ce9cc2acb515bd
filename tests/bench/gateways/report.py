"""Tables, ratios beside their bars, and what scaling out would take, from the figures of one run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bench.gateways.measure import ANSWERED, EXACT, FULL, LONG, PASS, RULES, STREAM, Measured
from tests.bench.gateways.upstream import CHUNKS

ROUTER, LITELLM, PORTKEY = "this router", "LiteLLM", "Portkey"
TWO = "this router, 2 Ingress"
RPS, HIT_RATE = 10_000, 0.35  # what scaling out is computed for
Find = Callable[..., Measured | None]


def markdown(result: Mapping[str, Any]) -> str:
    loads = [Measured(**one) for one in result["loads"]]
    parts = ["# Gateways beside each other, one run", "", result["machine"], "", *_loads(loads)]
    parts += ["", *_streams(result["first_chunk_ms"], loads), "", *_memory(result["memory_mb"])]
    parts += ["", *_bars(loads, result["first_chunk_ms"]), "", *_scaling(loads)]
    return "\n".join(parts) + "\n"


def _loads(loads: Sequence[Measured]) -> list[str]:
    lines = [
        "| gateway | kind | connections | requests/s | p50 ms | p99 ms | failed | CPU s per 1,000 | stages skipped |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in loads:
        skipped = "" if one.skipped is None else f"{one.skipped:.0%}"
        figures = f"{one.rps:,.0f} | {one.p50_ms:.2f} | {one.p99_ms:.1f} | {one.failed} | {one.cpu_s:.2f} | {skipped}"
        lines.append(f"| {one.gateway} | {one.kind} | {one.connections} | {figures} |")
    return lines


def _streams(first_chunk_ms: Mapping[str, Mapping[str, float]], loads: Sequence[Measured]) -> list[str]:
    lines = [
        "| streams | first chunk, p50 ms | of the bare upstream | added | chunks/s at 8 |",
        "|---|---|---|---|---|",
    ]
    for name, found in first_chunk_ms.items():
        many = finder(loads)(name, STREAM, 8)
        chunks = f"{many.rps * (CHUNKS + 1):,.0f}" if many else ""
        lines.append(f"| {name} | {found['gateway']:.2f} | {found['upstream']:.2f} | {found['added']:.2f} | {chunks} |")
    return lines


def _memory(memory_mb: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = ["| memory, proportional set size, after its loads | MiB | of it |", "|---|---|---|"]
    for name, sizes in memory_mb.items():
        largest = ", ".join(f"{part} {size:.0f}" for part, size in list(sizes.items())[:6])
        lines.append(f"| {name} | {sum(sizes.values()):,.0f} | {largest} |")
    return lines


def _bars(loads: Sequence[Measured], first_chunk_ms: Mapping[str, Mapping[str, float]]) -> list[str]:
    find = finder(loads)
    passed = find(ROUTER, PASS, 32), find(ROUTER, PASS, 1)
    rows = [
        ("pass-through requests/s at 32 over LiteLLM's", _ratio(passed[0], find(LITELLM, PASS, 32), "rps"), "15"),
        ("pass-through requests/s at 32 over Portkey's", _ratio(passed[0], find(PORTKEY, PASS, 32), "rps"), "1.2"),
        ("pass-through p50 at 1 over Portkey's", _ratio(passed[1], find(PORTKEY, PASS, 1), "p50_ms"), "at most 0.9"),
        ("exact-cache hits, requests/s at 32", _figure(find(ROUTER, EXACT, 32), "rps"), "1,200"),
        ("full decision, requests/s at 32", _figure(find(ROUTER, FULL, 32), "rps"), "200"),
        ("full decision, p50 ms at 1", _figure(find(ROUTER, FULL, 1), "p50_ms"), "at most 15"),
        ("the same for 500 tokens", _figure(find(ROUTER, LONG, 1), "p50_ms"), "at most 60"),
    ]
    added = first_chunk_ms.get(ROUTER)
    rows.append(("added to the first chunk, p50 ms", f"{added['added']:.2f}" if added else None, "at most 3"))
    return ["| measure | here | bar |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows if b is not None)]


def _scaling(loads: Sequence[Measured]) -> list[str]:
    """A core is a CPU second a second, of all processes of the router; the upstream and the load are not in it."""
    find = finder(loads)
    kinds = {kind: one.cpu_s for kind in (PASS, EXACT, RULES, FULL, LONG, ANSWERED) if (one := find(ROUTER, kind, 32))}
    lines = ["| at 32 connections | CPU ms a request | requests/s a core |", "|---|---|---|"]
    lines += [f"| {kind} | {cpu_s:.2f} | {1000 / cpu_s:,.0f} |" for kind, cpu_s in kinds.items()]
    if EXACT not in kinds:
        return lines
    lines += ["", f"Cores for {RPS:,} requests/s with {HIT_RATE:.0%} answered from the exact cache, at full load:", ""]
    for kind, what in ((PASS, "the rest names a model"), (ANSWERED, "the rest takes the full decision")):
        if kind in kinds:
            cores = RPS * (HIT_RATE * kinds[EXACT] + (1 - HIT_RATE) * kinds[kind]) / 1000
            lines.append(f"- {what}: {cores:.0f}; with 30 % to spare {cores / 0.7:.0f}")
    return lines


def finder(loads: Sequence[Measured]) -> Find:
    known = {(one.gateway, one.kind, one.connections): one for one in loads}
    return lambda *key: known.get(key)


def _ratio(one: Measured | None, other: Measured | None, name: str) -> str | None:
    return f"{getattr(one, name) / getattr(other, name):.2f}" if one and other else None


def _figure(one: Measured | None, name: str) -> str | None:
    return f"{getattr(one, name):,.1f}" if one else None
