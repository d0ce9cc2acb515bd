"""The bodies that the HTTP API takes for a query. Pydantic stays at this edge."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.completion import MOST_TOKENS
from app.domain import Tier
from app.strict import Strict


def _clean(text: str) -> str:
    if "\0" in text:
        raise ValueError(f"contains a NUL character (U+0000) at position {text.index(chr(0))}; remove it")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty or only white space; send the question to be answered")
    return _clean(text)


# Patterns are for the OpenAPI document: what they refuse is refused by the functions, in words that say more.
NO_NUL = {"pattern": r"^[^\x00]*$"}
SOME_TEXT = {"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"}
CleanText = Annotated[str, Field(json_schema_extra=NO_NUL), AfterValidator(_clean)]
QueryText = Annotated[str, Field(json_schema_extra=SOME_TEXT), AfterValidator(_not_blank)]
UserId = Annotated[str, Field(min_length=1, max_length=256, json_schema_extra=NO_NUL), AfterValidator(_clean)]
UserTier = Annotated[
    Tier | None,
    Field(
        description="The user's tier; weights and allowed models depend on it. Absent: that of the API key, or free. "
        "It may be lower than the key's."
    ),
]
MaxCost = Annotated[
    float | None,
    Field(ge=0, allow_inf_nan=False, description="Only models whose answer is expected to cost no more, US dollars."),
]
QualityFloor = Annotated[
    float | None,
    Field(ge=0, le=1, description="P(success), 0 to 1: the cheapest model that reaches it answers, else the best."),
]
MaxLatency = Annotated[
    float | None,
    Field(gt=0, allow_inf_nan=False, description="Only models expected to answer within this time, milliseconds."),
]
TokenLimit = Annotated[int, Field(gt=0, le=MOST_TOKENS)]
ModelId = Annotated[str, Field(min_length=1, max_length=128, json_schema_extra=NO_NUL), AfterValidator(_clean)]


class ContextMessage(Strict):
    """An earlier message of the conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Who said it.")
    content: CleanText = Field(description="What was said.")


class RouteBody(Strict):
    """A query to be routed."""

    query: QueryText = Field(description="The question to be answered.", examples=["What is the capital of France?"])
    user_id: UserId = Field(description="Your own id of the user who asks.", examples=["user-1"])
    context: CleanText | list[ContextMessage] | None = Field(
        default=None, description="What the model should know: a text, or the conversation so far."
    )
    user_tier: UserTier = None
    model: ModelId = Field(default="auto", description='A model id of the catalogue, or "auto": let the router choose.')
    max_cost_usd: MaxCost = None
    quality_floor: QualityFloor = None
    max_latency_ms: MaxLatency = None


class ChatBody(RouteBody):
    """A query to be routed and answered."""

    stream: bool = Field(default=False, description="Answer with server-sent events: decision, deltas, usage.")
    cache: bool = Field(default=True, description="false: neither answer from the cache nor keep the answer there.")


def _clean_content(content: str | list[dict[str, Any]] | None) -> str | list[dict[str, Any]] | None:
    if isinstance(content, str):
        return _clean(content)
    for i, part in enumerate(content or ()):
        text = part.get("text")
        if part.get("type") == "text" and not isinstance(text, str):
            raise ValueError(f"part {i} is of type text and has no text")
        if isinstance(text, str):
            _clean(text)
    return content


class CompletionMessage(BaseModel):
    """A chat message in OpenAI's format; fields that are not listed are passed through."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"] = Field(description="Who said it.")
    content: Annotated[
        Annotated[str, Field(json_schema_extra=NO_NUL)] | list[dict[str, Any]] | None, AfterValidator(_clean_content)
    ] = Field(default=None, description="A text, or parts: text, image_url, ...")


class CompletionBody(BaseModel):
    """A chat completion in OpenAI's format; parameters that are not listed are passed through to the model."""

    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[CompletionMessage], Field(min_length=1, description="The conversation so far.")]
    model: ModelId = Field(default="auto", description='A model id of the catalogue, or "auto".')
    stream: bool | None = Field(default=False, description="Answer with server-sent events.")
    user: UserId | None = Field(default=None, description="Your own id of the user who asks.")
    max_tokens: TokenLimit | None = Field(default=None, description="Longest answer, in tokens.")
    max_completion_tokens: TokenLimit | None = Field(default=None, description="As max_tokens.")
    tools: list[dict[str, Any]] | None = Field(default=None, description="Tools that the model may call.")
    response_format: dict[str, Any] | None = Field(default=None, description="Asks for JSON.")
    user_tier: UserTier = None
    cache: bool = Field(default=True, description="false: no cache for this request. An addition to OpenAI's format.")
    max_cost_usd: MaxCost = None
    quality_floor: QualityFloor = None
    max_latency_ms: MaxLatency = None
