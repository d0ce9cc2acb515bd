"""A comparison as text and as JSON. A figure that does not exist is "-", or null."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from train.bootstrap import LEVEL, Interval
from train.evaluation.tables import cell
from train.replayed.compare import Figures, Section
from train.replayed.estimators import Estimator
from train.replayed.traffic import Replay

NAME, CELL = 26, 27  # characters
COLUMNS = {"quality": "quality", "cost_usd": "USD per 1,000", "latency_ms": "latency, ms"}
CHANGES = {**COLUMNS, "cost_saved": "cost saved"}
SCALES = {"cost_usd": (1000.0, 4), "latency_ms": (1.0, 0)}  # factor, decimals
ABSENT = "-"


def table(sections: Sequence[Section]) -> str:
    """By the best estimator; of logs all traffic by the others too."""
    everything = sections[0]
    lines = _block("candidate", sections, "figures", COLUMNS)
    if everything.live:
        lines += _block("live", sections, "live", COLUMNS)
        lines += _block("candidate minus live", sections, "change", CHANGES)
    if everything.overlap:
        lines += _others(everything)
        lines += _overlaps(sections)
    warnings = [f"warning: {section.name}: {text}" for section in sections for text in section.warnings]
    return "\n".join([*lines, *(["", *warnings] if warnings else [])])


def document(replay: Replay, sections: Sequence[Section]) -> dict[str, Any]:
    return {
        "level": LEVEL,
        "exact": replay.exact,
        "sources": dict(replay.sources),
        "notes": list(replay.notes),
        "sections": [_section(section) for section in sections],
    }


def plain(figures: Figures) -> dict[str, Any]:
    return {
        name: {key: None if math.isnan(value) else value for key, value in asdict(interval).items()}
        for name, interval in figures.items()
    }


def scaled(interval: Interval | None, name: str) -> str:
    """An interval in the unit and with the decimals that its figure is shown with."""
    if interval is None or math.isnan(interval.value):
        return ABSENT
    factor, digits = SCALES.get(name, (1.0, 3))
    return cell(Interval(*(factor * value for value in asdict(interval).values())), digits)


def _block(head: str, sections: Sequence[Section], field: str, columns: Mapping[str, str]) -> list[str]:
    lines = [_line(head, "queries", *columns.values())]
    for section in sections:
        figures: Figures = getattr(section, field)[section.best]
        lines.append(_line(section.name, str(section.queries), *(scaled(figures[name], name) for name in columns)))
    return [*lines, ""]


def _others(section: Section) -> list[str]:
    """All traffic by each estimator: where they differ much, none is to be believed."""
    field = "change" if section.live else "figures"
    head = "difference by estimator" if section.live else "by estimator"
    lines = [_line(head, "", *COLUMNS.values())]
    for name in Estimator:
        figures: Figures = getattr(section, field)[name]
        lines.append(_line(name.replace("_", " "), "", *(scaled(figures[one], one) for one in COLUMNS)))
    return [*lines, ""]


def _overlaps(sections: Sequence[Section]) -> list[str]:
    lines = [_line("overlap", "rated", "effective rated", "agreement", "choices not in the logs")]
    for section in sections:
        if one := section.overlap:
            shown = (f"{one.effective:.0f}", f"{one.agreement:.0%}", f"{one.unsupported:.0%}")
            lines.append(_line(section.name, str(one.rated), *shown))
    return lines


def _line(name: str, count: str, *cells: str) -> str:
    return (f"{name:<{NAME}}{count:>9}  " + "".join(f"{one:<{CELL}}" for one in cells)).rstrip()


def _section(section: Section) -> dict[str, Any]:
    return {
        "tier": section.tier,
        "domain": section.domain,
        "queries": section.queries,
        "estimator": str(section.best),
        "candidate": {name: plain(figures) for name, figures in section.figures.items()},
        "live": {name: plain(figures) for name, figures in section.live.items()},
        "change": {name: plain(figures) for name, figures in section.change.items()},
        "overlap": asdict(section.overlap) if section.overlap else None,
        "warnings": list(section.warnings),
    }
