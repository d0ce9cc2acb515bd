"""Rules: which match, in which order, which models they prefer, and what a wrong file is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.domain import Capability, Domain, Provider, QualityTier, TextFeatures, Tier
from app.errors import ConfigError
from app.models.catalogue import Catalogue, ModelSpec
from app.routing.rules import Rule, RuleBook, preferred

SHIPPED = Path(__file__).parents[3] / "configs" / "rules.yaml"
PLAIN = TextFeatures(
    tokens=8,
    sentences=1,
    code_blocks=0,
    inline_code=0,
    questions=0,
    digits=0,
    formulae=0,
    language="en",
    domain=Domain.GENERAL,
    domain_signals={},
    complexity=0.1,
)


def _model(id_: str, quality: QualityTier, strengths: frozenset[Domain], provider: Provider) -> ModelSpec:
    return ModelSpec(
        id=id_,
        provider=provider,
        upstream_name=id_,
        context_window_tokens=8192,
        capabilities=frozenset({Capability.CHAT}),
        quality_tier=quality,
        strengths=strengths,
        expected_latency_ms=100,
    )


SMALL = _model("small", QualityTier.LOW, frozenset(), Provider.LOCAL)
CODER = _model("coder", QualityTier.HIGH, frozenset({Domain.CODING, Domain.MATH}), Provider.OPENAI)
CATALOGUE = Catalogue({model.id: model for model in (SMALL, CODER)})


@pytest.fixture(scope="module")
def shipped() -> RuleBook:
    return RuleBook.read(SHIPPED, CATALOGUE)


def _book(tmp_path: Path, text: str) -> RuleBook:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return RuleBook.read(path, CATALOGUE)


def _one(tmp_path: Path, when: str = "{has_code: false}", prefer: str = "{models: [small]}") -> Rule:
    return _book(tmp_path, f"rules: [{{id: one, certain: true, when: {when}, prefer: {prefer}}}]").rules[0]


def _first(book: RuleBook, text: str, features: TextFeatures = PLAIN, tier: Tier = Tier.PRO) -> str | None:
    return next((rule.id for rule in book.matches(text, features, tier)), None)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (text, "greeting")
        for text in ("hi", "Hello!", "hi there, how are you?", "Hey 👋", "Guten Morgen", "¡Hola!", "你好")
    ]
    + [
        (text, "greeting")
        for text in ("bonjour, ça va ?", "привет, как дела?", "नमस्ते", "안녕하세요", "  GOOD MORNING \n")
    ]
    + [
        (text, "thanks")
        for text in ("thanks!", "ok, thank you so much", "vielen Dank", "merci beaucoup", "谢谢", "bye")
    ]
    + [(text, "small_talk") for text in ("who are you?", "Tell me a joke, please", "Wer bist du?", "what can you do")]
    + [(text, "simple_fact") for text in ("What is the capital of France?", "how many days are in a week?")],
)
def test_small_requests_go_to_a_small_model_for_certain(shipped: RuleBook, text: str, rule: str) -> None:
    first = next(shipped.matches(text, PLAIN, Tier.FREE))
    assert (first.id, first.certain) == (rule, True)
    assert preferred(first, SMALL)
    assert not preferred(first, CODER)


@pytest.mark.parametrize(
    "text",
    [
        "hi, prove the Riemann hypothesis",
        "Hello world in C",
        "thanks, now prove it",
        "no thanks, try a harder one",
        "yes",
        "ok",
        "continue",
        "Is 91 prime?",
        "Is P equal to NP?",
        "who are you and how would you solve x^2 = 2",
        "What is the capital of the country that won in 1998?",
        "What is the capital of Peru? Prove it.",
        "hihihi",
        "",
    ],
)
def test_what_only_looks_small_is_not_certain(shipped: RuleBook, text: str) -> None:
    assert not any(rule.certain for rule in shipped.matches(text, PLAIN, Tier.FREE))


def test_a_greeting_with_code_is_no_greeting(shipped: RuleBook) -> None:
    assert _first(shipped, "hi", replace(PLAIN, code_blocks=1)) != "greeting"


@pytest.mark.parametrize(
    ("features", "tier", "rule"),
    [
        (replace(PLAIN, domain=Domain.CODING, code_blocks=1, complexity=0.6), Tier.PRO, "code_to_strong_coder"),
        (replace(PLAIN, domain=Domain.CODING, code_blocks=1, complexity=0.6), Tier.FREE, "code"),
        (replace(PLAIN, domain=Domain.CODING, code_blocks=1, complexity=0.4), Tier.PRO, "code"),
        (replace(PLAIN, domain=Domain.ANALYTICAL, complexity=0.8), Tier.ENTERPRISE, "hard_analysis_to_strong_analyst"),
        (replace(PLAIN, domain=Domain.ANALYTICAL, complexity=0.5), Tier.ENTERPRISE, "analytical"),
        (replace(PLAIN, domain=Domain.CREATIVE, complexity=0.5), Tier.PRO, "creative"),
        (replace(PLAIN, domain=Domain.GENERAL, complexity=0.2), Tier.PRO, "simple"),
        (replace(PLAIN, domain=Domain.MATH, complexity=0.2), Tier.PRO, None),
        (replace(PLAIN, domain=Domain.GENERAL, complexity=0.5), Tier.PRO, None),
    ],
)
def test_features_choose_the_rule(shipped: RuleBook, features: TextFeatures, tier: Tier, rule: str | None) -> None:
    assert _first(shipped, "some text", features, tier) == rule


@pytest.mark.parametrize(
    "unit", ["hi ", "hi, there ", "thanks ", " ", "!", "what is the capital of ", "a ", "\0", "hihi"]
)
def test_shipped_patterns_read_hostile_text_without_the_token_guard(shipped: RuleBook, unit: str) -> None:
    text = (unit * 100_000)[:100_000] + "x="
    assert not any(rule.certain for rule in shipped.matches(text, PLAIN, Tier.FREE))


def test_matches_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    rule = "{{id: {}, certain: false, when: {{tokens: {{max: 10}}}}, prefer: {{quality_tier: [low]}}}}"
    book = _book(tmp_path, f"rules: [{rule.format('b')}, {rule.format('a')}]")
    assert [found.id for found in book.matches("x", PLAIN, Tier.FREE)] == ["b", "a"]


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("{tokens: {min: 8, max: 8}}", True),
        ("{tokens: {min: 9}}", False),
        ("{complexity: {max: 0.1}}", True),
        ("{complexity: {max: 0.05}}", False),
        ("{questions: {min: 1}}", False),
        ("{language: [de, en]}", True),
        ("{language: [de]}", False),
        ("{tier: [free]}", True),
        ("{tier: [pro, enterprise]}", False),
        ("{domain: [general]}", True),
        ("{matches: 'PROVE'}", True),
        ("{matches: '^it'}", False),
        ("{matches: 'prove', has_code: true}", False),
    ],
)
def test_conditions(tmp_path: Path, when: str, holds: bool) -> None:
    assert _one(tmp_path, when=when).when.holds("please prove it", PLAIN, Tier.FREE) is holds


@pytest.mark.parametrize(
    ("prefer", "small", "coder"),
    [
        ("{models: [small]}", True, False),
        ("{provider: [openai]}", False, True),
        ("{quality_tier: [low, high]}", True, True),
        ("{strengths: [coding, creative]}", False, True),
        ("{strengths: [coding], quality_tier: [low]}", False, False),
    ],
)
def test_preferred(tmp_path: Path, prefer: str, small: bool, coder: bool) -> None:
    rule = _one(tmp_path, prefer=prefer)
    assert (preferred(rule, SMALL), preferred(rule, CODER)) == (small, coder)


@pytest.mark.parametrize(
    ("when", "prefer", "key", "message"),
    [
        ("{tokens: {min: 5, max: 4}}", "{models: [small]}", "rules.0.when.tokens", "min 5 is above max 4"),
        ("{tokens: {}}", "{models: [small]}", "rules.0.when.tokens", "is empty"),
        ("{}", "{models: [small]}", "rules.0.when", "is empty"),
        ("{has_code: true}", "{}", "rules.0.prefer", "is empty"),
        ("{matches: '('}", "{models: [small]}", "rules.0.when.matches", "regular expression"),
        ("{domains: [coding]}", "{models: [small]}", "rules.0.when.domains", "unknown key"),
        ("{domain: [cooking]}", "{models: [small]}", "rules.0.when.domain", "coding"),
        ("{has_code: true}", "{models: [gone]}", "rules.0.prefer.models", "gone; it has: small, coder"),
        ("{has_code: true}", "{provider: [acme]}", "rules.0.prefer.provider", "openai"),
        ("{language: [english]}", "{models: [small]}", "rules.0.when.language", "pattern"),
    ],
)
def test_a_wrong_rule_names_file_and_key(tmp_path: Path, when: str, prefer: str, key: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        _one(tmp_path, when=when, prefer=prefer)
    assert "rules.yaml" in error.value.message
    assert key in error.value.message
    assert message in error.value.message


def test_rule_ids_are_unique(tmp_path: Path) -> None:
    rule = "{id: one, certain: true, when: {has_code: true}, prefer: {models: [small]}}"
    with pytest.raises(ConfigError, match=r"rules: .*more than once: one"):
        _book(tmp_path, f"rules: [{rule}, {rule}]")
