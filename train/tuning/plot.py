"""The fronts as a picture: a panel a tier."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from train.tuning.chosen import BEST, CHEAPEST, CHOSEN, LIVE, RANDOM, Tuned

WIDTH, HEIGHT, DPI = 6.0, 4.5, 150  # inches a panel, dots an inch
STYLES: dict[str, dict[str, Any]] = {
    LIVE: {"color": "#d55e00", "marker": "s"},
    CHOSEN: {"color": "#0072b2", "marker": "*", "markersize": 13},
    BEST: {"color": "black", "marker": "^"},
    CHEAPEST: {"color": "#009e73", "marker": "v"},
    RANDOM: {"color": "#888888", "marker": "D"},
}


def draw(found: Sequence[Tuned], path: Path) -> None:
    """Quality over cost, a logarithmic axis, on the queries that chose nothing; bars are 95 % intervals."""
    figure = Figure(figsize=(WIDTH * len(found), HEIGHT), dpi=DPI, layout="constrained")
    for panel, one in zip(figure.subplots(1, len(found), squeeze=False).ravel(), found, strict=True):
        _panel(panel, one)
    figure.savefig(path)


def _panel(panel: Any, one: Tuned) -> None:
    tried, front = one.tried, one.front
    x, y = [1000 * each.reported.cost_usd for each in tried], [each.reported.quality for each in tried]
    panel.plot(x, y, ".", color="#bbbbbb", markersize=4, label="trials", zorder=1)
    x, y = [1000 * each.reported.cost_usd for each in front], [each.reported.quality for each in front]
    panel.plot(x, y, "-", color="#56b4e9", linewidth=1.6, label="front, by the other queries", zorder=2)
    for name, point in one.points.items():
        quality, cost = point.figures["quality"], point.figures["cost_usd"]
        panel.errorbar(
            [1000 * cost.value],
            [quality.value],
            xerr=[[1000 * max(0.0, cost.value - cost.low)], [1000 * max(0.0, cost.high - cost.value)]],
            yerr=[[max(0.0, quality.value - quality.low)], [max(0.0, quality.high - quality.value)]],
            linestyle="none",
            capsize=2,
            elinewidth=0.8,
            label=name if point.model is None else f"{name}: {point.model.rpartition('/')[2][:24]}",
            zorder=4,
            **STYLES[name],
        )
    if min(point.figures["cost_usd"].value for point in one.points.values()) > 0:
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:g}")
    kept = "" if one.better else ", live weights kept"
    panel.set_title(f"{one.tier}: {len(one.task.validation):,} queries that chose nothing{kept}", fontsize=10)
    panel.set_xlabel("USD per 1,000 queries")
    panel.set_ylabel("quality")
    panel.grid(alpha=0.25)
    panel.legend(fontsize=7, loc="lower right", framealpha=0.9)
