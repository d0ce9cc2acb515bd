"""The curves as a picture: a panel a set, the classifier in front of what it has to beat."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from train.evaluation.contenders import CLASSIFIER, LENGTH, NEIGHBOURS, ORACLE, RANDOM, SINGLES
from train.evaluation.routing import ModelFigures, RoutingFigures, Standing
from train.evaluation.tables import cell

WIDTH, HEIGHT, COLUMNS, DPI = 7.0, 5.0, 2, 150  # inches a panel, panels a line, dots an inch
POINTS, LEAST = 400, 1e-5  # of a curve over cost; the least cost drawn, of the dearest model's
STYLES: dict[str, dict[str, Any]] = {
    CLASSIFIER: {"color": "#0072b2", "linewidth": 2.6, "zorder": 5},
    NEIGHBOURS: {"color": "#d55e00", "linewidth": 1.6, "zorder": 4},
    LENGTH: {"color": "#009e73", "linewidth": 1.4, "linestyle": "-.", "zorder": 3},
    RANDOM: {"color": "#888888", "linewidth": 1.4, "linestyle": "--", "zorder": 2},
    SINGLES: {"color": "#555555", "linewidth": 1.2, "linestyle": ":", "zorder": 2},
    ORACLE: {"color": "#cc79a7", "linewidth": 1.4, "zorder": 1},
}


def draw(found: Sequence[RoutingFigures], path: Path) -> None:
    """A pair by its share of strong calls, several models by cost (a logarithmic axis), or by name without costs."""
    columns = min(COLUMNS, len(found))
    lines = -(-len(found) // columns)
    figure = Figure(figsize=(WIDTH * columns, HEIGHT * lines), dpi=DPI, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel in panels[len(found) :]:
        panel.remove()
    for panel, one in zip(panels, found, strict=False):
        _panel(panel, one)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(path)


def _panel(panel: Any, found: RoutingFigures) -> None:
    routing = found.routing
    panel.set_title(f"{_short(routing.name)}\n{len(routing.rows):,} queries, {len(routing.models)} models", fontsize=10)
    panel.grid(alpha=0.25)
    panel.set_ylabel("mean score")
    if routing.pair is not None:
        _pair(panel, found)
    elif any(standing.by_cost for standing in found.standings):
        _costs(panel, found)
    else:
        _choices(panel, found)
        return
    panel.plot([], [], "o", color="black", markersize=4, label="one model for all")
    panel.legend(fontsize=8, loc="lower right", framealpha=0.9)


def _pair(panel: Any, found: RoutingFigures) -> None:
    for standing in found.standings:
        if standing.by_share:
            x = [100 * share for share in standing.by_share.x]
            panel.plot(x, standing.by_share.quality, label=_label(standing, "apgr"), **STYLES[standing.name])
    assert found.routing.pair is not None
    for column, share in zip(found.routing.pair, (0, 100), strict=True):
        _point(panel, share, found.models[column], right=share == 100)
    panel.set_xlabel("queries that go to the strong model, %")


def _costs(panel: Any, found: RoutingFigures) -> None:
    """Between two corners a curve is straight in dollars, so it is bent on this axis. Hull models have their names."""
    dearest = max(1000 * (model.cost_usd or 0) for model in found.models)
    for standing in found.standings:
        if standing.by_cost:
            x = 1000 * np.array(standing.by_cost.x)
            grid = np.union1d(x, np.geomspace(max(x[0], dearest * LEAST), max(dearest, x[-1]), POINTS))
            label = _label(standing, "aiq")
            panel.plot(grid, np.interp(grid, x, standing.by_cost.quality), label=label, **STYLES[standing.name])
    corners = next(standing.by_cost for standing in found.standings if standing.name == SINGLES)
    for model in found.models:
        cost = model.cost_usd or 0
        on_hull = corners is not None and bool(np.isclose(cost, corners.x, rtol=1e-6, atol=0).any())
        _point(panel, 1000 * cost, model, right=1000 * cost > dearest / 4, named=on_hull or 1000 * cost == dearest)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("USD per 1,000 queries")


def _choices(panel: Any, found: RoutingFigures) -> None:
    """What the chosen models score, with intervals."""
    shown = [standing for standing in found.standings if "quality" in standing.figures][::-1]
    for at, standing in enumerate(shown):
        interval = standing.figures["quality"]
        color = STYLES.get(standing.name, {"color": "black"})["color"]
        reach = [[interval.value - interval.low], [interval.high - interval.value]]
        panel.errorbar([interval.value], [at], xerr=reach, fmt="o", color=color, capsize=4)
    panel.set_yticks(range(len(shown)), [standing.name for standing in shown])
    panel.set_ylabel("")
    panel.set_xlabel("mean score of the chosen model, 95 % interval")


def _label(standing: Standing, figure: str) -> str:
    return f"{standing.name}, {figure.upper()} {cell(standing.figures[figure])}"


def _point(panel: Any, x: float, model: ModelFigures, *, right: bool, named: bool = True) -> None:
    color, size = ("black", 4) if named else ("#aaaaaa", 3)
    panel.plot([x], [model.score], "o", color=color, markersize=size, zorder=6)
    if named:
        side = {"xytext": (-6, 5), "ha": "right"} if right else {"xytext": (6, -9), "ha": "left"}
        name = _short(model.model.rpartition("/")[2], 28)
        panel.annotate(name, (x, model.score), textcoords="offset points", fontsize=7, zorder=7, **side)


def _short(name: str, characters: int = 60) -> str:
    return name if len(name) <= characters else name[: characters - 1] + "…"
