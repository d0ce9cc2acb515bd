"""How fast text features are read, and how well complexity and domain agree with labelled queries.

python tests/bench/text_features.py --tokenizer tokenizer.json [--labelled FILE...]

A labelled file has one JSON object a line: `query`, and any of `domain`, `complexity` (simple, medium, complex) and
`outcomes` ({model: {"score": 0..1}}). Ordering is the share of pairs from one file that the complexity puts the right
way round (0.5 is chance): pairs of different label, or whose share of failing models differs by more than 0.2.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from app.routing.features import TextFeaturesReader

CONFIG = Path(__file__).parents[2] / "configs" / "text_features.yaml"
PROSE = "Explain how a linked list differs from an array, in Python, and when each is better to use. Be brief. "
LEVELS = {"simple": 0.0, "medium": 1.0, "complex": 2.0}
ROWS = 1500
PAIRS = 5000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--labelled", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    reader = TextFeaturesReader.from_files(arguments.tokenizer, CONFIG)
    for characters in (10, 100, 1_000, 100_000):
        print(f"{characters:>7} characters of prose: {_microseconds(reader, PROSE, characters):>7.0f} us a read")
    for unit in ("a", "`", "$", "?", "\0", "😀", "x=", "`a"):
        print(f" 100000 characters of {unit!r:<5}: {_microseconds(reader, unit, 100_000):>7.0f} us a read")
    for path in arguments.labelled:
        _report(path, reader)


def _microseconds(reader: TextFeaturesReader, unit: str, characters: int) -> float:
    text = (unit * (characters // len(unit) + 1))[:characters]
    repeats = max(5, 50_000 // characters)
    reader.read(text)
    start = time.perf_counter()
    for _ in range(repeats):
        reader.read(text)
    return (time.perf_counter() - start) / repeats * 1e6


def _report(path: Path, reader: TextFeaturesReader) -> None:
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = random.Random(0).sample(rows, min(ROWS, len(rows)))
    read = [(row, reader.read(row["query"])) for row in rows]
    parts = [f"{path.stem:<36} {len(rows):>5} rows"]
    right = [features.domain == row["domain"] for row, features in read if row.get("domain")]
    if right:
        parts.append(f"domain {mean(right):.2f}")
    for name, truth, gap in (("level", _level, 0.0), ("failures", _failures, 0.2)):
        share = _ordering([(truth(row), features.complexity) for row, features in read], gap)
        by_tokens = _ordering([(truth(row), features.tokens) for row, features in read], gap)
        if share is not None:
            parts.append(f"ordering by {name} {share:.3f} (tokens alone {by_tokens:.3f})")
    print("; ".join(parts))


def _level(row: dict[str, Any]) -> float | None:
    return LEVELS.get(row.get("complexity") or "")


def _failures(row: dict[str, Any]) -> float | None:
    outcomes = row.get("outcomes")
    return 1 - mean(outcome["score"] for outcome in outcomes.values()) if outcomes else None


def _ordering(rows: Sequence[tuple[float | None, float]], gap: float) -> float | None:
    """The share of random pairs, harder against easier by more than `gap`, that the estimate orders so; ties half."""
    known = [(truth, estimate) for truth, estimate in rows if truth is not None]
    source = random.Random(1)
    pairs = [(source.choice(known), source.choice(known)) for _ in range(PAIRS)] if known else []
    ordered = [(a[1] > b[1]) + (a[1] == b[1]) / 2 for a, b in pairs if a[0] > b[0] + gap]
    return mean(ordered) if len(ordered) >= 100 else None


if __name__ == "__main__":
    main()
