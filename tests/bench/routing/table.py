"""Figures of a pool as text."""

from collections.abc import Mapping

from tests.bench.routing.pools import Pool
from train.bootstrap import Interval
from train.evaluation.tables import cell

TITLES = {
    "aiq": "AIQ",
    "quality_at_25": "at 25 % of the cost",
    "quality_at_50": "at 50 %",
    "saved_at_95": "saved at 95 %",
    "saved_at_100": "saved at 100 %",
}
NAME, CELL = 16, 22
Figures = Mapping[str, Interval]


def table(pool: Pool, figures: Mapping[str, Figures], behind: Mapping[str, Figures]) -> str:
    """A line a contender, then what the engine has more than each; 95 % intervals in brackets."""
    best = pool.scores.mean(axis=0).argmax()
    head = (
        f"\n{pool.name}: {len(pool.rows)} queries, {len(pool.models)} models; always the best, {pool.models[best]}: "
        f"quality {pool.scores[:, best].mean():.3f} for {1000 * pool.costs[:, best].mean():.3g} USD per 1,000"
    )
    lines = [head, _line("", *TITLES.values())]
    lines += [_line(name, *(cell(found.get(one)) for one in TITLES)) for name, found in figures.items()]
    lines += [_line("more than", *TITLES.values())]
    lines += [_line(name, *(cell(found.get(one)) for one in TITLES)) for name, found in behind.items()]
    return "\n".join(lines)


def _line(name: str, *cells: str) -> str:
    return f"{name:<{NAME}}" + "".join(f"{one:<{CELL}}" for one in cells).rstrip()
