"""Rows of the same question, from one source or several, as one row."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, TypeVar

from train.rows import ModelOutcome, Row

Value = TypeVar("Value")


def merged(rows: Sequence[Row]) -> tuple[Row, Counter[str]]:
    """The first row with all that is known of any, and what the others contradicted, by kind.

    A contradiction is settled for the earlier row, scores of one model included when their sources differ: the same
    name need not mean the same scale. Several outcomes of a model from one source are repeats, and are averaged. The
    row counts as much as the weightiest.
    """
    if len(rows) == 1:
        return rows[0], Counter()
    contradicted: Counter[str] = Counter()
    one = replace(
        rows[0],
        domain=_first([row.domain for row in rows], "domain", contradicted),
        complexity=_first([row.complexity for row in rows], "complexity", contradicted),
        outcomes=_outcomes(rows, contradicted),
        scale=next((row.scale for row in rows if row.complexity is not None), None),
        weight=max(row.weight for row in rows),
    )
    return one, contradicted


def _first(values: Sequence[Value | None], kind: str, contradicted: Counter[str]) -> Value | None:
    known = [value for value in values if value is not None]
    contradicted[kind] += sum(value != known[0] for value in known)
    return known[0] if known else None


def _outcomes(rows: Sequence[Row], contradicted: Counter[str]) -> dict[str, ModelOutcome]:
    found: dict[str, list[tuple[str, ModelOutcome]]] = {}
    for row in rows:
        for model, outcome in row.outcomes.items():
            found.setdefault(model, []).append((row.source, outcome))
    return {model: _repeats(outcomes, contradicted) for model, outcomes in found.items()}


def _repeats(outcomes: Sequence[tuple[str, ModelOutcome]], contradicted: Counter[str]) -> ModelOutcome:
    source = outcomes[0][0]
    mine = [outcome for name, outcome in outcomes if name == source]
    score = fmean(outcome.score for outcome in mine)
    contradicted["score"] += sum(name != source and outcome.score != score for name, outcome in outcomes)
    if len(mine) == 1:
        return mine[0]
    tokens = (_mean([getattr(outcome, name) for outcome in mine]) for name in ("in_tokens", "out_tokens"))
    return ModelOutcome(score, _mean([outcome.cost_usd for outcome in mine]), *(_whole(one) for one in tokens))


def _mean(values: Sequence[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
