"""A chat request in plain Python, whichever API it came through."""

from dataclasses import dataclass, field

from app.completion import Prompt
from app.domain import Capability, Limits, Tier
from app.observability.labels import Endpoint

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Ask:
    """`prompt` goes to the model. `text` is what routing reads of it; of `context_text`, the rest, only the length.

    `no_store`: neither answered from a cache nor kept in one. `client_request_id` is the caller's own, not unique;
    `traceparent` is his open span, W3C.
    """

    request_id: str
    text: str
    context_text: str
    prompt: Prompt
    user_id: str
    tier: Tier
    tenant: str = "default"
    endpoint: Endpoint = Endpoint.CHAT
    no_store: bool = False
    model: str = AUTO
    needs: frozenset[Capability] = frozenset()
    max_output_tokens: int | None = None
    limits: Limits = field(default_factory=Limits)
    client_request_id: str | None = None
    traceparent: str | None = None
