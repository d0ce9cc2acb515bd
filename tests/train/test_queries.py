"""The project's own labelled queries, as train/data/README.md describes them."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import train
from app.domain import Complexity, Domain
from train.files import read_rows

PATH = Path(train.__file__).parent / "data" / "queries.jsonl"
KEYS = {"id", "query", "domain", "complexity", "kind", "language"}
KINDS = {
    "advice",
    "chat",
    "classification",
    "coding",
    "creative",
    "extraction",
    "knowledge",
    "math",
    "planning",
    "reasoning",
    "rewriting",
    "roleplay",
    "summarising",
    "translation",
    "trivial",
    "writing",
}


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]


def bare(query: str) -> str:
    """Without case, punctuation and white space; a query of punctuation alone stays as it is."""
    return " ".join(re.sub(r"[\W_]+", " ", query.casefold()).split()) or query.strip()


def test_training_reads_every_row(records: list[dict[str, Any]]) -> None:
    rows, faults = read_rows(PATH)
    assert not faults.counts
    assert len(rows) == len(records) >= 1200


def test_every_row_is_fully_labelled(records: list[dict[str, Any]]) -> None:
    for record in records:
        assert record.keys() == KEYS, record
        assert record["query"] == record["query"].strip() != ""
        assert record["domain"] in set(Domain), record
        assert record["complexity"] in set(Complexity), record
        assert record["kind"] in KINDS, record
        assert re.fullmatch("[a-z]{2}", record["language"]), record


@pytest.mark.parametrize("key", ["id", "query"])
def test_nothing_is_there_twice(records: list[dict[str, Any]], key: str) -> None:
    counts = Counter(bare(record[key]) for record in records)
    assert [text for text, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("domain", Domain)
def test_each_domain_has_enough_rows_of_every_complexity(records: list[dict[str, Any]], domain: Domain) -> None:
    found = Counter(record["complexity"] for record in records if record["domain"] == domain)
    assert found.total() >= 100
    assert found.keys() == set(Complexity)


def test_a_tenth_is_not_english(records: list[dict[str, Any]]) -> None:
    languages = Counter(record["language"] for record in records)
    english = languages.pop("en")
    assert len(languages) >= 10
    assert languages.total() >= 0.1 * (english + languages.total())
