import pytest

from train.questions import fold, normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2.5?", "  what IS\n 2.5 "),
        ("Straße", "STRASSE"),
        ('"Why," he asked.', "why he asked"),
        ("Say “hi”!", "say 'hi'..."),
    ],
)
def test_the_same_question(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert fold(one, 1000) == fold(other, 1000)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2+2", "2-2"),
        ("What is 2.5?", "What is 25?"),
        ("if x < 3", "if x > 3"),
        ("if x != y", "if x y"),
        ("f(a)", "f[a]"),
        ("???", "!!!"),
        ("don't", "don t"),
    ],
)
def test_another_question(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_folds_are_stable_even_and_depend_on_the_seed() -> None:
    folds = [fold(f"question {i}") for i in range(5000)]
    assert folds[:8] == [9, 8, 3, 2, 8, 4, 2, 5]  # on every machine
    assert all(400 < folds.count(one) < 600 for one in range(10))
    others = [fold(f"question {i}", seed=1) for i in range(5000)]
    assert 0.05 < sum(a == b for a, b in zip(folds, others, strict=True)) / 5000 < 0.15


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "?" * 50_000, "'" * 50_000 + "a", "a?" * 25_000])
def test_odd_texts(text: str) -> None:
    assert 0 <= fold(text, 3) < 3
