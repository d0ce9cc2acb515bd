"""Reads JSONL files of outcomes and labels into rows."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from app.domain import Complexity, Domain
from train.errors import DataError
from train.rows import Faults, ModelOutcome, Row

MAX_CHARACTERS = 50_000
MAX_COST_USD = 1e6  # of one answer; what is above is a slip
Label = TypeVar("Label", bound=StrEnum)


class BrokenRowError(ValueError):
    """`reason` is the same for all rows with the same fault; `detail` says what was found in this one."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def read_rows(path: Path) -> tuple[list[Row], Faults]:
    """A row a line; blank lines are passed over, lines that give no row are counted in the faults.

    Raises DataError when the file cannot be read, is empty, or has no usable row.
    """
    rows, faults = [], Faults()
    for number, line in numbered_lines(path):
        try:
            rows.append(row_of(json_object(line), f"{path.stem}:{number}", path.stem))
        except BrokenRowError as broken:
            faults.add(broken.reason, f"{path}:{number}" + (f": {broken.detail}" if broken.detail else ""))
    if not rows and not faults.counts:
        raise DataError(
            f"{path}: is empty; it needs one JSON object a line, with at least a query and what is known of it"
        )
    if not rows:
        raise DataError(f"{path}: has no usable row\n{faults}")
    return rows, faults


def row_of(record: Mapping[str, Any], id_: str, source: str) -> Row:
    """`id_` and `source` are for a record that names none. Other keys are ignored. Raises BrokenRowError."""
    named, complexity = _name(record, "source", source), _label(record, "complexity", Complexity)
    row = Row(
        id=_name(record, "id", id_),
        source=named,
        query=query_of(record),
        domain=_label(record, "domain", Domain),
        complexity=complexity,
        outcomes=_outcomes(record.get("outcomes")),
        scale=None if complexity is None else named,
    )
    if row.domain is None and row.complexity is None and not row.outcomes:
        raise BrokenRowError("nothing to learn: no domain, complexity or outcomes")
    return row


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Without blank ones; counted from 1. Raises DataError when the file cannot be read."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if text := line.removeprefix(b"\xef\xbb\xbf").strip():
                    yield number, text
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def json_object(line: bytes) -> dict[str, Any]:
    """Raises BrokenRowError."""
    try:
        record: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenRowError("not JSON", str(error)[:80]) from error
    if not isinstance(record, dict):
        raise BrokenRowError("not a JSON object", type(record).__name__)
    return record


def _name(record: Mapping[str, Any], key: str, usual: str) -> str:
    value = record.get(key)
    return usual if value is None else _clean(str(value))


def query_of(record: Mapping[str, Any]) -> str:
    """Raises BrokenRowError when there is none that can be read."""
    query = record.get("query")
    if query is None:
        raise BrokenRowError("no query")
    if not isinstance(query, str):
        raise BrokenRowError("query is not a text", type(query).__name__)
    if not query.strip():
        raise BrokenRowError("empty query")
    if len(query) > MAX_CHARACTERS:
        raise BrokenRowError(f"query over {MAX_CHARACTERS:,} characters", f"{len(query):,}")
    return _clean(query)


def _clean(text: str) -> str:
    """Half a surrogate pair, which JSON can spell, would break tokenizers and files."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _label(record: Mapping[str, Any], key: str, labels: type[Label]) -> Label | None:
    value = record.get(key)
    if value is None:
        return None
    try:
        return labels(value)
    except ValueError as error:
        raise BrokenRowError(f"unknown {key}", f"{value!r:.40}; known are {', '.join(labels)}") from error


def _outcomes(given: Any) -> dict[str, ModelOutcome]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BrokenRowError("outcomes are not an object by model", type(given).__name__)
    return {_clean(model): _outcome(model, outcome) for model, outcome in given.items()}


def _outcome(model: str, given: Any) -> ModelOutcome:
    if not isinstance(given, dict):
        raise BrokenRowError("an outcome is not an object", f"{model}: {given!r:.40}")
    score, cost = given.get("score"), given.get("cost_usd")
    if not _between(score, 1):
        raise BrokenRowError("score not a number from 0 to 1", f"{model}: {score!r:.40}")
    if cost is not None and not _between(cost, MAX_COST_USD):
        raise BrokenRowError(f"cost_usd not a number from 0 to {MAX_COST_USD:,.0f}", f"{model}: {cost!r:.40}")
    tokens = [_tokens(model, key, given.get(key)) for key in ("in_tokens", "out_tokens")]
    return ModelOutcome(float(score), None if cost is None else float(cost), *tokens)


def _tokens(model: str, key: str, given: Any) -> int | None:
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 0):
        raise BrokenRowError(f"{key} not a whole number from 0 up", f"{model}: {given!r:.40}")
    return given


def _between(value: Any, most: float) -> TypeGuard[float]:
    """False for NaN, which is between nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
