from datetime import UTC, datetime
from typing import Any

import pytest

from app.memory.history.memory import PastOutcome
from app.memory.history.success import memory_of, past_outcomes
from app.storage.judged import success_of
from app.storage.records import OutcomeRecord

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def outcome(**changes: Any) -> OutcomeRecord:
    usual: dict[str, Any] = dict.fromkeys(OutcomeRecord.__slots__)
    usual |= {"request_id": "r", "tenant": "t", "model": "m", "fallbacks": [], "input_tokens": 20, "output_tokens": 50}
    usual |= {"cost_usd": 0.01, "latency_ms": 900.0, "created_at": NOW, "answer_text": "Paris."}
    return OutcomeRecord(**{**usual, **changes})


def successes(record: OutcomeRecord, rating: int | None = None) -> dict[str, float | None]:
    return {one.model: one.success for one in past_outcomes(record, rating)}


def test_ratings_are_zero_to_one() -> None:
    assert [success_of(rating) for rating in (1, 2, 3, 4, 5)] == [0, 0.25, 0.5, 0.75, 1]


def test_an_answer_is_as_good_as_its_rating_or_unknown() -> None:
    assert past_outcomes(outcome(), 4) == (PastOutcome("m", 0.75, 1.0, 0.01, 900.0, 50),)
    assert past_outcomes(outcome(), None) == (PastOutcome("m", None, 1.0, 0.01, 900.0, 50),)


@pytest.mark.parametrize(
    ("changes", "success"),
    [
        ({"output_tokens": 0, "answer_text": ""}, 0.0),
        ({"output_tokens": 1, "answer_text": ""}, 0.0),
        ({"output_tokens": 0, "answer_text": None}, 0.0),  # not kept, but no token has no text
        ({"output_tokens": 1, "answer_text": None}, None),
        ({"output_tokens": 1, "answer_text": "4"}, None),
        ({"output_tokens": 30, "answer_text": ""}, None),  # a call of a tool
        ({"input_tokens": 0, "output_tokens": 0, "answer_text": ""}, None),  # nobody counted
    ],
)
def test_no_answer_is_a_failure(changes: dict[str, Any], success: float | None) -> None:
    assert successes(outcome(**changes)) == {"m": success}
    assert successes(outcome(**changes), 5) == {"m": 1.0}


def test_tokens_that_nobody_counted_are_unknown() -> None:
    (one,) = past_outcomes(outcome(input_tokens=0, output_tokens=0), None)
    assert one.output_tokens is None


def test_models_that_failed_by_their_own_fault_failed() -> None:
    calls = ["a:upstream_timeout", "b:upstream_rate_limited", "c:x:upstream_unreachable", "a:upstream_invalid_answer"]
    assert successes(outcome(fallbacks=calls), 5) == {"a": 0.0, "c:x": 0.0, "m": 1.0}


def test_a_model_that_failed_and_then_answered_has_answered() -> None:
    assert successes(outcome(fallbacks=["m:upstream_timeout"]), 3) == {"m": 0.5}


def test_a_stream_that_broke_off_is_the_fault_of_its_model() -> None:
    assert successes(outcome(error="upstream_unreachable", fallbacks=["a:upstream_timeout"])) == {"a": 0.0, "m": 0.0}
    assert successes(outcome(error="client_closed")) == {}


def test_answers_of_a_cache_and_requests_without_an_answer_make_no_memory() -> None:
    for record in (outcome(cache="exact"), outcome(model=None, error="no_model_available"), outcome(model=None)):
        assert memory_of("u", record, 5) is None


def test_the_memory_is_known_by_its_request() -> None:
    memory = memory_of("u\ud800", outcome())
    assert memory is not None
    assert (memory.request_id, memory.tenant, memory.user_id, memory.at) == ("r", "t", "u?", NOW.timestamp())
    assert memory.answered_by == "m"
    broken = memory_of("u", outcome(error="upstream_timeout"))
    assert broken is not None
    assert broken.answered_by is None  # there is no answer to judge
