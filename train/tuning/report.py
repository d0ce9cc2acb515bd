"""What tuning leaves: a table to read, tuning.json, and weights.json, a whole policy that can be published."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from app.routing.weights import Policy, Weights
from train.bootstrap import LEVEL
from train.replayed.table import plain, scaled
from train.replayed.traffic import Replay
from train.tuning.chosen import CHOSEN, LIVE, Point, Tried, Tuned

PACKAGES = ("llm-router", "numpy", "optuna", "ray")
COLUMNS = {
    "quality": "quality",
    "cost_usd": "USD per 1,000",
    "quality_kept": "of its quality",
    "cost_saved": "of its cost saved",
}
NAME, CELL, FRONT = 22, 25, 12  # characters; points of a front in the table


def policy(given: Mapping[str, Any], found: Sequence[Tuned]) -> dict[str, Any]:
    """The policy `given` as user_config, with the weights that were found and a version that says what it holds."""
    weights = {**given["weights"], **{str(one.tier): _plain(one.weights) for one in found if one.better}}
    content = {**given, "weights": weights}
    named = {key: value for key, value in content.items() if key != "version"}
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    content["version"] = f"tuned-{digest[:8]}"
    Policy.read(content, "weights.json")
    return content


def table(one: Tuned) -> str:
    """What was reported on, a tier."""
    exact = one.task.validation.traffic.exact
    against = f"the best single model ({one.task.train.traffic.models[one.task.best]})" if exact else "the live policy"
    lines = [
        f"{one.tier}: {len(one.task.train)} queries chose among {len(one.tried)} trials; of {len(one.task.validation)} "
        f"others, against {against}:",
        _line("", *COLUMNS.values()),
    ]
    for name, point in one.points.items():
        shown = name if point.model is None else f"{name}: {point.model.rpartition('/')[2]}"
        lines.append(_line(shown, *(scaled(point.figures[column], column) for column in COLUMNS)))
    lines += ["  front: " + ", ".join(_shown(tried) for tried in _some(one.front))]
    lines.append(f"  {_verdict(one)}")
    if (overlap := one.points[CHOSEN].overlap) is not None:
        lines += [f"  warning: {text}" for text in overlap.warnings]
    return "\n".join(lines)


def document(replay: Replay, found: Sequence[Tuned], run: Mapping[str, Any]) -> dict[str, Any]:
    """`run` says how it was made. Figures of points and trials are of the queries that chose nothing."""
    return {
        **run,
        "level": LEVEL,
        "exact": replay.exact,
        "sources": dict(replay.sources),
        "notes": list(replay.notes),
        "versions": {name: version(name) for name in PACKAGES},
        "tiers": {str(one.tier): _tier(one) for one in found},
    }


def _tier(one: Tuned) -> dict[str, Any]:
    return {
        "queries": {"chose": len(one.task.train), "reported": len(one.task.validation)},
        "quality_kept_wanted": one.task.aims.quality_kept[one.tier],
        "better_than_live": one.better,
        "weights": _plain(one.weights),
        "chosen": _tried(one.best),
        "points": {name: _point(point) for name, point in one.points.items()},
        "front": [_tried(tried) for tried in one.front],
        "trials": [_tried(tried) for tried in one.tried],
    }


def _point(point: Point) -> dict[str, Any]:
    overlap = None if point.overlap is None else asdict(point.overlap) | {"warnings": list(point.overlap.warnings)}
    objective = point.standing.plain()["objective"]
    return {"model": point.model, "objective": objective, "figures": plain(point.figures), "overlap": overlap}


def _tried(tried: Tried) -> dict[str, Any]:
    parts = {"chosen_by": tried.chosen_by.plain(), "reported": tried.reported.plain()}
    return {"weights": _plain(tried.weights), "share": tried.share, **parts}


def _verdict(one: Tuned) -> str:
    if one.better:
        return f"chosen: {_words(one.best.weights)}"
    live, best = one.points[LIVE].standing.objective, one.points[CHOSEN].standing.objective
    return f"kept as it is: the objective of the chosen point is {best:.3f}, that of the live policy {live:.3f}"


def _words(weights: Weights) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in _plain(weights).items())


def _plain(weights: Weights) -> dict[str, float]:
    return weights.model_dump()


def _shown(tried: Tried) -> str:
    return f"{tried.reported.quality:.3f} at {1000 * tried.reported.cost_usd:.3g}"


def _some(front: Sequence[Tried]) -> Sequence[Tried]:
    """Evenly, the ends among them."""
    if len(front) <= FRONT:
        return front
    return [front[round(at * (len(front) - 1) / (FRONT - 1))] for at in range(FRONT)]


def _line(name: str, *cells: str) -> str:
    short = name if len(name) < NAME else name[: NAME - 2] + "…"
    return ("  " + f"{short:<{NAME}}" + "".join(f"{one:<{CELL}}" for one in cells)).rstrip()
