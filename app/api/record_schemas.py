"""The bodies of what is kept of requests: feedback, explanations, statistics."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from app.api.bodies import CleanText
from app.strict import Strict

REQUEST_ID = "As in X-LLM-Router-Request-ID, or your own X-Request-ID, which means the newest request with it."


def _whole(value: object) -> object:
    """5.0 is an integer in JSON, and what some clients make of 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class FeedbackBody(Strict):
    """A user's judgement of an answer."""

    request_id: Annotated[str, Field(min_length=1, max_length=200, description=REQUEST_ID)]
    rating: Annotated[
        int, Field(ge=1, le=5, strict=True, description="1 (useless) to 5 (just right)."), BeforeValidator(_whole)
    ]
    comment: Annotated[CleanText, Field(max_length=10_000)] | None = Field(default=None, description="In own words.")


class FeedbackAnswer(BaseModel):
    request_id: str = Field(description="The router's id of the request whose answer was judged.")
    rating: int = Field(description="As it is stored now.")


class ExplainAnswer(BaseModel):
    """All that is stored of one request."""

    decision: dict[str, Any] | None = Field(description="Both its ids, what was weighed and what decided.")
    outcome: dict[str, Any] | None = Field(description="How the answer came out; null while it is running.")
    feedback: dict[str, Any] | None = Field(description="The last rating.")


class DeletedAnswer(BaseModel):
    decisions: int = Field(description="Rows deleted.")
    outcomes: int = Field(description="Rows deleted.")
    feedback: int = Field(description="Rows deleted.")
    memories: int = Field(description="Queries of this user that the memory of outcomes held.")


class StatisticsAnswer(BaseModel):
    """Costs are in US dollars; what has no known price is counted, not taken for free."""

    since: str = Field(description="Start of the window, UTC.")
    until: str = Field(description="End of the window, UTC.")
    total: dict[str, Any] = Field(description="Requests, errors, tokens, cost and ratings.")
    cache_hits: dict[str, int] = Field(description="Requests answered from each kind of cache.")
    latency: dict[str, float | None] = Field(description="Average and percentiles in milliseconds.")
    by_model: dict[str, dict[str, Any]] = Field(description="As total, by model.")
    by_tier: dict[str, dict[str, Any]] = Field(description="As total, by tier.")
    by_domain: dict[str, dict[str, Any]] = Field(description="As total, by domain.")
    savings: dict[str, Any] = Field(description="Against two baselines on the same requests.")
