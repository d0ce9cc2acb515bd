"""python -m tests.bench.semantic_cache [--details tuning|test]: hit and false-hit rate of the semantic cache.

Over tests/data/semantic_pairs.jsonl: each pair is a cached query and one that follows, and says whether the same answer
fits both. Half of the pairs, chosen by hash, are for tuning words and threshold, the other half only for the test.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise

import orjson

from app.artifacts.minilm import ensure_minilm
from app.memory.cache.guard_reader import GuardReader
from app.memory.cache.guard_words import GuardConfig
from app.memory.cache.guards import differ
from app.memory.embedder import MiniLMEmbedder
from app.paths import project_path
from app.routing.features import TextFeaturesConfig
from app.routing.language import LanguageDetector
from app.yaml_file import read_yaml

THRESHOLDS = tuple(round(0.70 + 0.02 * step, 2) for step in range(15))


@dataclass(frozen=True)
class Pair:
    a: str
    b: str
    same: bool
    kind: str
    lang: str
    similarity: float = 0.0
    guard: str | None = None


def read_pairs() -> list[Pair]:
    lines = project_path("tests/data/semantic_pairs.jsonl").read_text().splitlines()
    return [Pair(**orjson.loads(line)) for line in lines]


def is_tuning(pair: Pair) -> bool:
    return sha256(f"{pair.a}\n{pair.b}".encode()).digest()[0] < 128


def shipped_reader() -> GuardReader:
    config = read_yaml(project_path("configs/cache_guards.yaml"), GuardConfig)
    language = read_yaml(project_path("configs/text_features.yaml"), TextFeaturesConfig).language
    return GuardReader(config, LanguageDetector(language).detect)


def measured(pairs: Sequence[Pair], reader: GuardReader) -> list[Pair]:
    embedder = MiniLMEmbedder(ensure_minilm(), threads=2)
    vectors = embedder.embed([text for pair in pairs for text in (pair.a, pair.b)])
    similarities = (vectors[0::2] * vectors[1::2]).sum(axis=1)
    return [
        replace(pair, similarity=float(similarity), guard=differ(reader.read(pair.a), reader.read(pair.b)))
        for pair, similarity in zip(pairs, similarities, strict=True)
    ]


def rates(pairs: Sequence[Pair], threshold: float, *, guarded: bool) -> tuple[float, float, float]:
    """Share of the same pairs served, of the different pairs served, and of what is served that is wrong."""
    served = [pair for pair in pairs if pair.similarity >= threshold and not (guarded and pair.guard)]
    right = sum(pair.same for pair in served)
    wrong = len(served) - right
    same = sum(pair.same for pair in pairs)
    return right / same, wrong / (len(pairs) - same), wrong / max(1, len(served))


def print_table(name: str, pairs: Sequence[Pair]) -> None:
    same = sum(pair.same for pair in pairs)
    print(f"\n{name}: {same} pairs with the same answer, {len(pairs) - same} with another")
    print("              without guards                with guards")
    print("threshold     hit  false hit  of served     hit  false hit  of served")
    for threshold in THRESHOLDS:
        both = (rates(pairs, threshold, guarded=guarded) for guarded in (False, True))
        print(
            f"     {threshold:.2f}  "
            + "   ".join(f"{hit:6.1%} {false:9.1%} {wrong:10.1%}" for hit, false, wrong in both)
        )


def print_details(name: str, pairs: Sequence[Pair], threshold: float) -> None:
    """What is served wrongly, and what keeps the rest of the same pairs away."""
    print(f"\n{name}, at {threshold:.2f}:")
    for pair in pairs:
        if not pair.same and not pair.guard and pair.similarity >= threshold:
            print(f"  wrong ({pair.kind}, {pair.similarity:.3f}): {pair.a!r} / {pair.b!r}")
    missed = [pair for pair in pairs if pair.same and (pair.guard or pair.similarity < threshold)]
    print("  missed by", dict(Counter(pair.guard or "threshold" for pair in missed).most_common()))
    for pair in missed:
        print(f"    {pair.guard or 'threshold'} ({pair.similarity:.3f}): {pair.a!r} / {pair.b!r}")


def print_cost(reader: GuardReader, pairs: Sequence[Pair]) -> None:
    texts = [pair.a for pair in pairs]
    features = [reader.read(text) for text in texts]
    start = time.perf_counter()
    for text in texts:
        reader.read(text)
    read = time.perf_counter()
    for one, other in pairwise(features):
        differ(one, other)
        differ(one, one)
    compared = time.perf_counter()
    reading_us, comparing_us = (read - start) * 1e6 / len(texts), (compared - read) * 1e6 / (2 * len(texts))
    print(f"\nreading a query {reading_us:.0f} us, comparing two {comparing_us:.1f} us")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--details", choices=["tuning", "test"], help="show the wrong and the missed pairs")
    asked = parser.parse_args()
    reader = shipped_reader()
    threshold = read_yaml(project_path("configs/cache_guards.yaml"), GuardConfig).min_similarity
    pairs = measured(read_pairs(), reader)
    halves = {"tuning": [pair for pair in pairs if is_tuning(pair)], "test": [p for p in pairs if not is_tuning(p)]}
    for name, half in halves.items():
        print_table(name, half)
    if asked.details:
        print_details(asked.details, halves[asked.details], threshold)
    print_cost(reader, pairs)


if __name__ == "__main__":
    main()
