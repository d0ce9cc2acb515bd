"""Quality over cost, a panel a pool."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
STYLES: dict[str, dict[str, Any]] = {
    "engine": {"color": "#0072b2", "linewidth": 2.6, "zorder": 5},
    "classifier": {"color": "#56b4e9", "linewidth": 1.4, "zorder": 4},
    "memory": {"color": "#009e73", "linewidth": 1.4, "zorder": 4},
    "kNN (80)": {"color": "#d55e00", "linewidth": 1.4, "zorder": 3},
    "random": {"color": "#888888", "linestyle": "--", "zorder": 2},
    "single models": {"color": "#555555", "linestyle": ":", "zorder": 2},
    "oracle": {"color": "#cc79a7", "zorder": 1},
}


def plot(pools: Mapping[str, Mapping[str, Curve]], path: Path) -> None:
    figure = Figure(figsize=(6.0 * len(pools), 4.5), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(pools), squeeze=False)[0]
    for panel, (name, curves) in zip(panels, pools.items(), strict=True):
        for contender, (cost, quality) in curves.items():
            grid = np.union1d(cost, np.geomspace(max(cost[0], cost[-1] * 1e-3), cost[-1], 300))
            panel.plot(1000 * grid, np.interp(grid, cost, quality), label=contender, **STYLES[contender])
        panel.set(title=name, xlabel="USD per 1,000 queries", ylabel="mean score", xscale="log")
        panel.grid(alpha=0.25)
        panel.legend(fontsize=8, loc="lower right")
    figure.savefig(path)
