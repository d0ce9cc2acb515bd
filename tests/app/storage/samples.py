"""Records to store, a helper to wait, and a store that is down when told so."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from app.domain import Domain, Tier
from app.errors import StorageUnavailable
from app.storage.records import DecisionRecord, Feedback, OutcomeRecord

NOW = datetime(2026, 5, 4, 12, 30, 15, 123456, UTC)


def decision(request_id: str, **changes: Any) -> DecisionRecord:
    usual: dict[str, Any] = {
        "tenant": "acme",
        "user_id": "ann",
        "tier": Tier.PRO,
        "created_at": NOW,
        "endpoint": "/api/v1/chat",
        "model_requested": "auto",
        "domain": "coding",
        "language": "en",
        "complexity": 0.25,
        "features": {"tokens": 5, "domain_signals": {"coding": 0.75}},
        "cause": "scored",
        "rule": None,
        "confidence": 0.5,
        "candidates": [{"model": "small", "score": 0.5, "factors": {"cost": None, "quality": 0.5}, "cost_usd": None}],
        "rejected": {"strong": "no key"},
        "skipped": {"cache": "off"},
        "propensity": 1.0,
        "weights_version": "w1",
        "classifier_version": None,
        "query_text": "What is 2 + 2?",
        "query_hash": "0" * 64,
    }
    return DecisionRecord(**{"request_id": request_id, **usual, **changes})


def outcome(request_id: str, **changes: Any) -> OutcomeRecord:
    usual: dict[str, Any] = {
        "tenant": "acme",
        "tier": Tier.PRO,
        "domain": Domain.CODING,
        "created_at": NOW,
        "model": "small",
        "endpoint": "/api/v1/chat",
        "fallbacks": ["strong:upstream_timeout"],
        "input_tokens": 100,
        "output_tokens": 10,
        "cached_input_tokens": 0,
        "cost_usd": 0.25,
        "latency_ms": 100.0,
        "overhead_ms": 2.5,
        "stages_ms": {"embedding": 1.5},
        "first_token_ms": None,
        "error": None,
        "cache": None,
        "cache_similarity": None,
        "answer_text": "4",
        "answer_hash": "1" * 64,
        "finished_at": NOW,
    }
    return OutcomeRecord(**{"request_id": request_id, **usual, **changes})


def feedback(request_id: str, rating: int, comment: str | None = None) -> Feedback:
    return Feedback(request_id, rating, comment, NOW)


async def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class FakeStore:
    """A `RecordStore` that remembers its batches, and is down, refuses or does not answer when told so."""

    def __init__(self) -> None:
        self.down = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.refused: set[str] = set()
        self.batches: list[list[str]] = []

    @property
    def stored(self) -> list[str]:
        return [id_ for batch in self.batches for id_ in batch]

    async def write(self, decisions: Sequence[DecisionRecord], outcomes: Sequence[OutcomeRecord]) -> None:
        await self.answers.wait()
        ids = [record.request_id for record in decisions] + [late.request_id for late in outcomes]
        if self.down:
            raise StorageUnavailable("the database is down")
        if self.refused & set(ids):
            raise ValueError("does not fit")
        self.batches.append(ids)
