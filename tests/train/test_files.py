"""Reading data files, and lines meant to break the reader."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from app.domain import Complexity, Domain
from app.errors import ConfigError
from train.files import read_rows
from train.rows import PLACES, ModelOutcome

OUTCOME = {"score": 1, "cost_usd": 0.5, "in_tokens": 3, "out_tokens": 4}
GOOD = {"id": "1", "source": "s", "query": "q?", "domain": "math", "outcomes": {"a": OUTCOME}}


def lines(path: Path, *records: Any) -> Path:
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in records), "utf-8")
    return path


def test_the_three_formats(tmp_path: Path) -> None:
    outcomes = {**GOOD, "orig_label": "x", "difficulty": None, "outcomes": {"a": OUTCOME, "b": {"score": 0.25}}}
    labelled = {**GOOD, "id": "2", "domain": None, "complexity": "complex", "license": "MIT", "outcomes": None}
    own = {"id": "3", "query": "hi", "domain": "general", "complexity": "simple", "kind": "chat", "language": "en"}
    rows, faults = read_rows(lines(tmp_path / "queries.jsonl", outcomes, "", labelled, own))
    assert not faults.counts
    assert [(row.id, row.source, row.query, row.weight) for row in rows] == [
        ("1", "s", "q?", 1.0),
        ("2", "s", "q?", 1.0),
        ("3", "queries", "hi", 1.0),
    ]
    assert rows[0].outcomes == {"a": ModelOutcome(1.0, 0.5, 3, 4), "b": ModelOutcome(0.25)}
    assert [row.domain for row in rows] == [Domain.MATH, None, Domain.GENERAL]
    assert [row.complexity for row in rows] == [None, Complexity.COMPLEX, Complexity.SIMPLE]


def of_outcome(**changes: Any) -> dict[str, Any]:
    return {**GOOD, "outcomes": {"a": OUTCOME, "bad": {**OUTCOME, **changes}}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("\ud800", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"query": ' + "9" * 5000 + "}", "not JSON"),
        ("[1]", "not a JSON object"),
        ({**GOOD, "query": None}, "no query"),
        ({"id": "1"}, "no query"),
        ({**GOOD, "query": 5}, "query is not a text"),
        ({**GOOD, "query": " \n"}, "empty query"),
        ({**GOOD, "query": "x" * 50_001}, "query over 50,000 characters"),
        ({**GOOD, "domain": "cooking"}, "unknown domain"),
        ({**GOOD, "domain": ["math"]}, "unknown domain"),
        ({**GOOD, "complexity": "hard"}, "unknown complexity"),
        ({**GOOD, "complexity": math.nan}, "unknown complexity"),
        ({"query": "q"}, "nothing to learn: no domain, complexity or outcomes"),
        ({**GOOD, "outcomes": ["a"]}, "outcomes are not an object by model"),
        ({**GOOD, "outcomes": {"a": 1}}, "an outcome is not an object"),
        (of_outcome(score=1.01), "score not a number from 0 to 1"),
        (of_outcome(score=-0.01), "score not a number from 0 to 1"),
        (of_outcome(score=math.nan), "score not a number from 0 to 1"),
        (of_outcome(score=math.inf), "score not a number from 0 to 1"),
        (of_outcome(score=None), "score not a number from 0 to 1"),
        (of_outcome(score="1"), "score not a number from 0 to 1"),
        (of_outcome(score=True), "score not a number from 0 to 1"),
        (of_outcome(cost_usd=-1), "cost_usd not a number from 0 to 1,000,000"),
        (of_outcome(cost_usd=math.nan), "cost_usd not a number from 0 to 1,000,000"),
        (of_outcome(cost_usd=10**400), "cost_usd not a number from 0 to 1,000,000"),
        (of_outcome(in_tokens=-1), "in_tokens not a whole number from 0 up"),
        (of_outcome(out_tokens=1.5), "out_tokens not a whole number from 0 up"),
    ],
)
def test_a_broken_row_is_skipped_and_counted(tmp_path: Path, line: Any, reason: str) -> None:
    path = tmp_path / "data.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_bytes(f"{json.dumps(GOOD)}\n\n{text}\n{json.dumps(GOOD)}\n".encode("utf-8", "surrogatepass"))
    rows, faults = read_rows(path)
    assert len(rows) == 2
    assert dict(faults.counts) == {reason: 1}
    assert faults.places[reason][0].startswith(f"{path}:3")
    assert f"1 skipped: {reason} ({path}:3" in str(faults)


def test_a_query_just_short_enough_and_half_a_character(tmp_path: Path) -> None:
    long, half = {**GOOD, "query": "x" * 50_000}, {**GOOD, "query": "a \ud83d b"}
    rows, faults = read_rows(lines(tmp_path / "data.jsonl", long, half))
    assert not faults.counts
    assert [len(rows[0].query), rows[1].query] == [50_000, "a ? b"]


def test_windows_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n" + json.dumps(GOOD).encode())
    rows, faults = read_rows(path)
    assert (len(rows), faults.counts.total()) == (2, 0)


def test_a_few_places_are_remembered(tmp_path: Path) -> None:
    path = lines(tmp_path / "data.jsonl", GOOD, *["{"] * 20)
    _, faults = read_rows(path)
    assert (faults.counts["not JSON"], len(faults.places["not JSON"])) == (20, PLACES)
    assert str(faults).endswith("; ...)")


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    path = lines(tmp_path / "data.jsonl", text)
    with pytest.raises(ConfigError, match=r"data\.jsonl: is empty"):
        read_rows(path)


def test_a_file_without_one_usable_row(tmp_path: Path) -> None:
    path = lines(tmp_path / "data.jsonl", "{", {"query": ""})
    with pytest.raises(ConfigError, match=r"no usable row\n1 skipped: not JSON .*data\.jsonl:1(.|\n)*empty query"):
        read_rows(path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read .* check the path"):
        read_rows(tmp_path / name)
