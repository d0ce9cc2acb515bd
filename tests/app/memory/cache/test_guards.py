"""One pair a guard; tests/data/semantic_pairs.jsonl has many more (tests/bench/semantic_cache.py)."""

import pytest

from app.memory.cache.guard_reader import GuardReader
from app.memory.cache.guards import GuardFeatures, differ
from tests.bench.semantic_cache import shipped_reader


@pytest.fixture(scope="module")
def reader() -> GuardReader:
    return shipped_reader()


@pytest.mark.parametrize(
    ("guard", "one", "other"),
    [
        ("numbers", "What is 15% of 200?", "What is 15% of 300?"),
        ("numbers", "Give me three ideas", "Give me four ideas"),
        ("numbers", "Wie heißt der erste Kanzler?", "Wie heißt der zweite Kanzler?"),
        ("symbols", "What is 2 + 2?", "What is 2 - 2?"),
        ("negations", "Why does it compile?", "Why does it not compile?"),
        ("negations", "Pourquoi il démarre ?", "Pourquoi il ne démarre pas ?"),
        ("questions", "Who paints the bridge?", "When do they paint the bridge?"),
        ("formats", "List the planets as JSON", "List the planets as a table"),
        ("formats", "Explain gravity briefly", "Explain gravity in detail"),
        ("literals", 'Delete "a.txt"', 'Delete "b.txt"'),
        ("literals", "Summarise https://example.com/a", "Summarise https://example.com/b"),
        ("literals", "What is `x[1:]`?", "What is `x[:1]`?"),
        ("opposites", "How do I enable logging?", "How do I disable logging?"),
        ("opposites", "¿Cómo puedo subir de peso?", "¿Cómo puedo bajar de peso?"),
        ("words", "What is the capital of France?", "What is the capital of Spain?"),
        ("words", "Is vitamin A healthy?", "Is vitamin healthy?"),
        ("words", "What does the US do?", "What does it do for us?"),
        ("order", "Is every square a rectangle?", "Is every rectangle a square?"),
        ("order", "Why do dogs chase cats?", "Why do cats chase dogs?"),
        ("order", "10 apples and 5 pears", "5 pears and 10 pears and 5 apples, 10"),
        ("roles", "Convert miles to feet", "Convert feet to miles"),
        ("roles", "Flights to Oslo", "Flights from Oslo"),
        ("names", "Summary of the film Alien", "Summary of the film Aliens"),
        ("language", "What is the capital of France?", "Quelle est la capitale de la France ?"),
        ("code", "Explain:\n```\na = 1\n```", "Explain:\n```\na = 2\n```"),
        ("code", "Explain:\n```\nif x:\n    y()\n```", "Explain:\n```\nif x:\ny()\n```"),
    ],
)
def test_a_guard_tells_two_queries_apart(reader: GuardReader, guard: str, one: str, other: str) -> None:
    first, second = reader.read(one), reader.read(other)

    assert differ(first, second) is not None
    assert differ(second, first) is not None
    if guard not in ("order",):
        assert differ(first, second) == guard


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "what's the capital city of france"),
        ("How do I sort a list in Python?", "In Python, how can I sort a list?"),
        ("Convert 10 miles to kilometers", "10 miles to km"),
        ("Difference between TCP and UDP", "How do UDP and TCP differ?"),
        ("Give me five tips", "List 5 tips"),
        ("Is $1,500 enough?", "Is $1500 enough?"),
        ("Warum ist der Himmel blau?", "Aus welchem Grund ist der Himmel blau?"),
        ("¿Cuántos habitantes tiene Madrid?", "¿cuantos habitantes tiene madrid?"),
        ("日本の首都はどこですか？", "日本の首都はどこですか"),
    ],
)
def test_the_same_question_passes(reader: GuardReader, one: str, other: str) -> None:
    assert differ(reader.read(one), reader.read(other)) is None


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\ud800", "?" * 5000, "🙂", "'" * 999, "a_" * 2000, "1," * 2000, "```"]
)
def test_any_text_can_be_read_and_kept(reader: GuardReader, text: str) -> None:
    features = reader.read(text)

    assert differ(features, features) is None
    assert GuardFeatures.decode(features.encode()) == features


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[1, 2]", b"\xff"])
def test_features_that_were_not_written_by_us_are_nothing(data: bytes) -> None:
    assert GuardFeatures.decode(data) is None
