"""The picture of one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from tests.bench.gateways.measure import CONNECTIONS, PASS, Measured
from tests.bench.gateways.report import ROUTER


def plot(loads: Sequence[Measured], path: Path) -> None:
    figure, ((passing, kinds), (latency, cpu)) = pyplot.subplots(2, 2, figsize=(12, 9))
    passed = [one for one in loads if one.kind == PASS]
    own = [one for one in loads if one.gateway == ROUTER]
    _lines(passing, passed, "gateway", "pass-through, requests/s")
    _lines(kinds, own, "kind", f"{ROUTER}, requests/s")
    _bars(latency, [one for one in passed if one.connections == 1], "p50_ms", "pass-through, p50 ms at 1 connection")
    _bars(cpu, [one for one in passed if one.connections == 32], "cpu_s", "pass-through, CPU s per 1,000 requests")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _lines(axes: Any, loads: Sequence[Measured], by: str, title: str) -> None:
    for name in dict.fromkeys(getattr(one, by) for one in loads):
        ones = [one for one in loads if getattr(one, by) == name]
        axes.plot([one.connections for one in ones], [one.rps for one in ones], marker="o", label=name)
    axes.set(title=title, xlabel="connections", xscale="log", yscale="log", xticks=CONNECTIONS)
    axes.set_xticklabels(map(str, CONNECTIONS))
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=8)


def _bars(axes: Any, loads: Sequence[Measured], figure: str, title: str) -> None:
    values = [getattr(one, figure) for one in loads]
    axes.bar([one.gateway for one in loads], values)
    for place, value in enumerate(values):
        axes.text(place, value, f"{value:.2f}", ha="center", va="bottom")
    axes.set(title=title)
