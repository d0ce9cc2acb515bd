"""Code, formulae, sentences and questions in a text."""

import pytest

from app.routing.structure import read_structure


@pytest.mark.parametrize(
    ("text", "blocks", "inline"),
    [
        ("```\nx\n```", 1, 0),
        ("a ```x``` b ```y``` c", 2, 0),
        ("`" * 5_000, 0, 0),
        ("~~~\nx\n~~~", 1, 0),
        ("Use `a` or `b`.", 0, 2),
        ("What does list.append() do?", 0, 1),
        ("def f(x):\n    return x\n\nWhat is wrong?", 1, 0),
        ("import os\nfor name in os.listdir():\n    print(name)", 1, 0),
        ("int main() {\n  int x = 1;\n  return x;\n}", 1, 0),
        ("SELECT name FROM users WHERE id = 3", 0, 1),
        ("If you have the following: eggs, milk.\nReturn to me.\nClass dismissed.", 0, 0),
        ("I have $5 and you have $10 (ten).", 0, 0),
    ],
)
def test_code(text: str, blocks: int, inline: int) -> None:
    structure = read_structure(text)
    assert (structure.code_blocks, structure.inline_code) == (blocks, inline)


@pytest.mark.parametrize(
    ("text", "formulae"),
    [
        ("Solve 3x^2 + 2x = 5 for x.", 1),
        (r"Let $f(x) = x^2$ and \(g\), and \[h\].", 3),
        (r"Let $x$ be prime and $ABCD$ a square.", 2),
        ("$60 to her mom and half of it to him, so $100 is left.", 0),
        ("She is 12-13 years old, on 2020-01-02, and/or 24/7.", 0),
        ("What is 17*23?", 1),
        ("What is 2 + 2? And then, quite apart from that, what is 3 + 3?", 2),
    ],
)
def test_formulae(text: str, formulae: int) -> None:
    assert read_structure(text).formulae == formulae


@pytest.mark.parametrize(
    ("text", "sentences", "questions"),
    [
        ("", 0, 0),
        ("hi", 1, 0),
        ("One. Two! Three?", 3, 1),
        ("Pi is 3.14 today.", 1, 0),
        ("什么\uff1f为什么\uff1f好。", 3, 2),
        ("Really???", 1, 1),
        ("...", 0, 0),
        ("a\nb\n\nc", 3, 0),
    ],
)
def test_sentences_and_questions(text: str, sentences: int, questions: int) -> None:
    structure = read_structure(text)
    assert (structure.sentences, structure.questions) == (sentences, questions)
