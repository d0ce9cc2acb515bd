"""Text features: counts, language, domain and complexity, and texts meant to break the reader."""

from pathlib import Path

import pytest
import yaml

from app.domain import Domain, TextFeatures
from app.errors import ConfigError
from app.routing.features import TextFeaturesConfig, TextFeaturesReader
from app.routing.language import LanguageDetector
from app.routing.lexicon import Lexicon, Words
from app.routing.tokens import TokenCounter
from app.yaml_file import read_yaml, validate

CONFIG = Path(__file__).parents[3] / "configs" / "text_features.yaml"
HOSTILE = [
    "a",
    "`",
    "```",
    "`a",
    "$",
    "$a ",
    "?",
    "\0",
    "😀",
    "字",
    " ",
    "\n",
    "1",
    "(",
    "x=",
    "a;",
    "<a ",
    "if (",
    "hi ",
]
HOSTILE += [
    "\\(",
    "\\begin{",
    "\ud800",
    "SELECT ",
    "for x in ",
    "write a ",
    "(a)",
    "how many ",
    "given a ",
    "as a ",
    "@a\n",
]


@pytest.fixture(scope="module")
def reader(tokenizer: Path) -> TextFeaturesReader:
    return TextFeaturesReader.from_files(tokenizer, CONFIG)


def test_counts_of_a_mixed_text(reader: TextFeaturesReader) -> None:
    text = "Why does `f(0)` fail? It says 12.\n```python\nprint(1 / 0)\n```\nAnd what is $x^2$ if 2 + 2 = 4?"
    features = reader.read(text)
    assert (features.code_blocks, features.inline_code) == (1, 1)
    assert (features.questions, features.formulae, features.sentences) == (2, 2, 3)
    assert features.has_code
    assert features.digits == sum(character.isdigit() for character in text)


def test_tokens_count_merges_and_characters_do_not(reader: TextFeaturesReader) -> None:
    text = "the capital of the capital"
    assert 0 < reader.read(text).tokens < len(text)
    assert reader.read("").tokens == 0


def test_a_lone_surrogate_is_counted(tokenizer: Path) -> None:
    counter = TokenCounter.read(tokenizer)
    assert counter.count("a\ud800b") == counter.count("a?b")


def test_a_missing_or_broken_tokenizer_is_a_config_error(tmp_path: Path) -> None:
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    for path in (broken, tmp_path / "none.json"):
        with pytest.raises(ConfigError, match=path.name):
            TokenCounter.read(path)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_is_read(reader: TextFeaturesReader, unit: str) -> None:
    for text in (unit, (unit * 100_000)[:100_000]):
        features = reader.read(text)
        assert 0 <= features.complexity <= 1
        assert all(0 <= signal <= 1 for signal in features.domain_signals.values())


def test_a_long_text_is_read_at_both_ends(reader: TextFeaturesReader) -> None:
    features = reader.read("What is this? " + "a " * 50_000 + "```python\nprint(1)\n```")
    assert (features.questions, features.code_blocks) == (1, 1)


def test_a_fence_lost_between_head_and_tail_keeps_prose_prose(reader: TextFeaturesReader) -> None:
    middle = "filler text. " * 1_000 + "\n```python\n"
    features = reader.read("Look at this. " + middle + "print(1)\n" * 1_000 + "```\nWhy is it slow?")
    assert features.code_blocks == 1
    assert features.questions == 1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France?", "en"),
        ("Was ist die Hauptstadt von Frankreich?", "de"),
        ("Quelle est la capitale de la France ?", "fr"),
        ("¿Cuál es la capital de Francia?", "es"),
        ("Jaka jest stolica Francji?", "pl"),
        ("Какая столица Франции?", "ru"),
        ("法国的首都是哪里", "zh"),
        ("フランスの首都はどこですか", "ja"),
        ("ما هي عاصمة فرنسا؟", "ar"),
    ]
    + [(text, "en") for text in ("", "hi", "ok", "def f(x)", "2+2", "Is 91 prime?", "git rebase -i HEAD~3", "\0")],
)
def test_language(text: str, language: str) -> None:
    detector = LanguageDetector(read_yaml(CONFIG, TextFeaturesConfig).language)
    assert detector.detect(text) == language


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Write a function that reverses a linked list in Python", Domain.CODING),
        ("```python\nprint(1)\n```", Domain.CODING),
        ("Prove that the equation x^2 = 2 has no rational solution", Domain.MATH),
        ("Compare solar and nuclear power, with the pros and cons of both", Domain.ANALYTICAL),
        ("Write a poem about autumn", Domain.CREATIVE),
        ("Schreibe ein Gedicht über den Herbst", Domain.CREATIVE),
        ("What are the symptoms of diabetes?", Domain.HEALTH),
        ("How does photosynthesis work?", Domain.SCIENCE),
        ("How does inflation affect a company's profit?", Domain.BUSINESS),
        ("What did Kant say about moral philosophy?", Domain.HUMANITIES),
        ("What is the capital of France?", Domain.GENERAL),
        ("hi", Domain.GENERAL),
        ("", Domain.GENERAL),
    ],
)
def test_domain(reader: TextFeaturesReader, text: str, domain: Domain) -> None:
    features = reader.read(text)
    assert features.domain is domain
    assert set(features.domain_signals) == set(Domain)


def test_complexity_of_simple_medium_and_hard(reader: TextFeaturesReader) -> None:
    simple = ["hi", "thanks!", "What is the capital of France?"]
    medium = "Write a function that reverses a linked list in Python"
    hard = [
        "Prove, step by step and without Dirichlet's theorem, that infinitely many primes are congruent to 3 mod 4.",
        "Design a rate limiter that must handle at least 1M requests per second in 3 regions, without a single "
        "point of failure; compare two algorithms, justify the consistency trade-offs and estimate the latency.",
    ]
    assert all(reader.read(text).complexity < 0.3 for text in simple)
    assert all(reader.read(text).complexity > 0.6 for text in hard)
    assert max(reader.read(text).complexity for text in simple) < reader.read(medium).complexity < 0.7


def test_a_constraint_and_a_reasoning_verb_make_a_query_harder(reader: TextFeaturesReader) -> None:
    plain = reader.read("Give me a plan for the weekend")
    constrained = reader.read("Give me a plan for the weekend, exactly two, without cars")
    assert plain.complexity < constrained.complexity


def test_lexicon_counts_words_stems_and_phrases_once() -> None:
    lexicon = Lexicon(["proof", "optimi*", "step by step"])
    assert lexicon.count(Words.of("Optimise, optimized: step by step. PROOF! proof")) == 3
    assert lexicon.count(Words.of("proofs opti misstep by steps")) == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("domains", {"general": {}}, "general has no terms"),
        ("domains", {"math": {"strong": ["Upper"]}}, "lower-case"),
        ("domains", {"math": {"strong": ["ab*"]}}, "stem"),
        ("domains", {"math": {"patterns": ["("]}}, "regular expression"),
        ("domains", {"math": {"strongest": []}}, "unknown key"),
        ("evidence", {"strong": 2, "weak": 0}, "less than or equal to 1"),
        ("window_characters", 0, "greater than 0"),
    ],
)
def test_a_wrong_config_names_the_key(key: str, value: object, message: str) -> None:
    data = yaml.safe_load(CONFIG.read_text(encoding="utf-8")) | {key: value}
    with pytest.raises(ConfigError, match=message) as error:
        validate(data, TextFeaturesConfig, "text_features.yaml")
    assert key in error.value.message


def test_every_complexity_factor_needs_its_coefficients() -> None:
    data = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    del data["complexity"]["factors"]["reasoning"]
    with pytest.raises(ConfigError, match="missing: reasoning"):
        validate(data, TextFeaturesConfig, "text_features.yaml")


def test_features_are_plain_data(reader: TextFeaturesReader) -> None:
    features = reader.read("What is 2 + 2?")
    assert isinstance(features, TextFeatures)
    assert features == reader.read("What is 2 + 2?")
