from typing import Any

import pytest

from app.completion import Completion, Usage
from app.memory.cache.entry import CachedAnswer
from tests.app.memory.cache.answers import body, completion

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def cached(given: Completion) -> CachedAnswer | None:
    return CachedAnswer.of(given, model="medium", cost_usd=0.25, now=10.0)


@pytest.mark.parametrize("text", ["Paris", "a\nb", "NUL \0 and 🙂", "x" * 1_000_000])
def test_an_answer_survives_its_encoding(text: str) -> None:
    answer = cached(completion(text))
    assert answer is not None

    again = CachedAnswer.decode(answer.encode())

    assert again == answer
    assert again.completion() == completion(text)


def test_an_unknown_price_stays_unknown() -> None:
    answer = CachedAnswer("m", Usage(1, 2, 3), body(), None, 1.0)

    assert CachedAnswer.decode(answer.encode()) == answer


@pytest.mark.parametrize(
    "given",
    [
        completion(finish_reason="length"),
        completion(finish_reason="content_filter"),
        completion(""),
        completion(None, refusal="I will not"),
        Completion("", Usage(), b'{"choices": []}'),
        Completion("Paris", Usage(), body([{"type": "text", "text": "Paris"}])),
        Completion("", Usage(), b"not json"),
        Completion("", Usage(), b"[]"),
        Completion("", Usage(), b'{"choices": [{"finish_reason": "stop"}]}'),
    ],
)
def test_what_is_no_complete_answer_is_not_kept(given: Completion) -> None:
    assert cached(given) is None


def test_tool_calls_are_an_answer() -> None:
    assert cached(completion(None, "tool_calls", tool_calls=[CALL])) is not None


@pytest.mark.parametrize("data", [b"", b"{}", b"[1,2]\n{}", b"\xff\xfe\n", b'["m", 3, 1, 1]\n{}'])
def test_what_was_not_written_by_us_is_nothing(data: Any) -> None:
    assert CachedAnswer.decode(data) is None
