"""A day in pictures, a column a scenario: traffic, replicas, queue times, and what was lost."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.scaling.figures import BIN_S, Result
from tests.bench.scaling.settings import ENGINE, EXTRACTOR, INGRESS, LLAMA
from tests.bench.scaling.traffic import HOUR_S

COLORS = {INGRESS: "#0072b2", ENGINE: "#888888", EXTRACTOR: "#009e73", LLAMA: "#d55e00"}
LEAST_MS, LEAST_PER_S = 0.1, 0.001  # of the logarithmic axes


def plot(results: Sequence[Result], path: Path) -> None:
    figure = Figure(figsize=(4.2 * len(results), 9.0), dpi=110, layout="constrained")
    grid = figure.subplots(4, len(results), sharex=True, sharey="row", squeeze=False)
    for i, result in enumerate(results):
        _column([row[i] for row in grid], result)
    for row, label in zip(
        grid, ("requests/s", "replicas", "queue time, p99 ms", "shed, skipped, elsewhere /s"), strict=True
    ):
        row[0].set_ylabel(label)
    grid[1][0].legend(fontsize=8, loc="upper left")
    for panel in grid[-1]:
        panel.set(xlabel="hour of the day", xticks=range(0, 25, 4))
    figure.savefig(path)


def _column(panels: Sequence[Axes], result: Result) -> None:
    traffic, replicas, waits, lost = panels
    hours = np.arange(len(result.requests_per_s)) * BIN_S / HOUR_S
    traffic.plot(hours, result.requests_per_s, color="black")
    traffic.set_title(result.scenario)
    for name, color in COLORS.items():
        lines = result.lines[name]
        replicas.plot(hours, lines.replicas, color=color, label=name)
        waits.plot(hours, np.maximum(lines.p99_ms, LEAST_MS), color=color)
        lost.plot(hours, np.maximum(lines.lost_per_s, LEAST_PER_S), color=color)
    waits.set_yscale("log")
    lost.set_yscale("log")
    for panel in panels:
        panel.grid(alpha=0.25)
