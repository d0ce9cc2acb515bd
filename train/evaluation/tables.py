"""Figures as text to read."""

import math
from collections.abc import Mapping, Sequence

from train.bootstrap import Interval
from train.evaluation.classes import LabelFigures
from train.evaluation.routing import Figures, RoutingFigures

BLOCKS: tuple[Mapping[str, str], ...] = (
    {"quality": "quality", "apgr": "APGR", "aiq": "AIQ"},
    {"cpt20": "CPT 20 %", "cpt50": "CPT 50 %", "cpt80": "CPT 80 %"},
    {"quality_at_25": "at 25 % of the cost", "quality_at_50": "at 50 %", "quality_at_75": "at 75 %"},
    {"saved_at_95": "saved at 95 %", "saved_at_100": "saved at 100 %"},
)
NAME, CELL, NUMBER, COUNT = 28, 22, 14, 11  # characters
ABSENT = "-"


def routing_table(found: RoutingFigures) -> str:
    """Several blocks: the choice and the pair, the policies, calibration, model by model."""
    routing = found.routing
    head = f"{routing.name}: {len(routing.rows)} queries answered by {len(routing.models)} models"
    lines = [head, *(f"  {note}" for note in routing.notes)]
    if routing.pair is not None and len(routing.models) == 2:
        weak, strong = (routing.models[column] for column in routing.pair)
        lines.append(f"  weak: {weak}; strong: {strong}")
    for titles in BLOCKS:
        lines += _block(found, titles)
    lines += _behind(found, BLOCKS[0])
    lines += ["", _line("P(success)", "ECE", "Brier")]
    lines.append(_line("all models", *_cells(found.calibration, ("ece", "brier"))))
    return "\n".join([*lines, "", *_models(found)])


def label_table(found: LabelFigures) -> str:
    """Accuracy, each class that occurs, and the confusion matrix."""
    accuracy, macro = _cells(found.figures, ("accuracy", "macro_f1"))
    lines = [
        f"{found.label} of {found.file}: {sum(found.counts)} queries",
        f"  accuracy {accuracy}, macro F1 {macro}; always the commonest class: {found.commonest:.3f}",
        "",
        _line("", "precision", "recall", "F1"),
    ]
    there = [at for at, count in enumerate(found.counts) if count or found.confusion[:, at].any()]
    for at in there:
        names = [f"{name} {found.classes[at]}" for name in ("precision", "recall", "f1")]
        lines.append(_line(found.classes[at], *_cells(found.figures, names)))
    lines += ["", _line("truth, and what was told", *(found.classes[at] for at in there), width=COUNT)]
    for at in there:
        lines.append(_line(found.classes[at], *map(str, found.confusion[at, there].tolist()), width=COUNT))
    return "\n".join(lines)


def cell(interval: Interval | None, digits: int = 3) -> str:
    """Such as `0.652 (.631, .673)`; a bound that does not exist is `none`."""
    if interval is None or math.isnan(interval.value):
        return ABSENT
    return f"{interval.value:.{digits}f} ({_bound(interval.low, digits)}, {_bound(interval.high, digits)})"


def _block(found: RoutingFigures, titles: Mapping[str, str]) -> list[str]:
    """A line a contender; nothing when no one has any of the figures."""
    rows = {standing.name: standing.figures for standing in found.standings}
    return _rows("", rows, titles)


def _behind(found: RoutingFigures, titles: Mapping[str, str]) -> list[str]:
    rows = {f"more than {standing.name}": standing.behind for standing in found.standings}
    return _rows("the classifier has", rows, titles)


def _rows(head: str, rows: Mapping[str, Figures], titles: Mapping[str, str]) -> list[str]:
    names = [name for name in titles if any(name in figures for figures in rows.values())]
    shown = {name: figures for name, figures in rows.items() if any(one in figures for one in names)}
    if not shown:
        return []
    lines = [_line(name, *_cells(figures, names)) for name, figures in shown.items()]
    return ["", _line(head, *(titles[name] for name in names)), *lines]


def _models(found: RoutingFigures) -> list[str]:
    lines = [_line("model", "score", "P(success)", "chosen", "USD per 1,000", "ECE", width=NUMBER)]
    for model in found.models:
        cost = ABSENT if model.cost_usd is None else f"{1000 * model.cost_usd:.4g}"
        shown = [f"{model.score:.3f}", f"{model.predicted:.3f}", f"{100 * model.share:.0f} %", cost]
        lines.append(_line(model.model, *shown, cell(model.calibration["ece"]), width=NUMBER))
    return lines


def _cells(figures: Figures, names: Sequence[str]) -> list[str]:
    return [cell(figures.get(name), 1 if name.startswith("cpt") else 3) for name in names]


def _bound(value: float, digits: int) -> str:
    if math.isnan(value):
        return "none"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _line(name: str, *cells: str, width: int = CELL) -> str:
    """A name that is longer than its column is cut."""
    short = name if len(name) < NAME else name[: NAME - 2] + "…"
    return (f"{short:<{NAME}}" + "".join(f"{one:<{width}}" for one in cells)).rstrip()
