"""Which requests may share an answer, and under which key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from app.completion import Prompt
from app.domain import Tier

# Parameters that say who asks, how the answer travels or how it is booked. Every other one shapes the answer.
IGNORED = frozenset(
    {
        "cache",
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "user",
        "user_tier",
    }
)
# Answers that depend on the moment, or that expire at the provider.
UNREPEATABLE = frozenset({"web_search_options", "audio"})
# A semantic hit carries no tool calls: their arguments hang on single words.
EXACT_ONLY = frozenset({"tools", "functions"})
_CONTEXT_ROLES = ("system", "developer")
_FORMAT = "1"  # part of every digest: raise it when what is digested changes


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Requests with equal keys may share an answer. `digest` covers all that shapes it."""

    tenant: str
    digest: str


@dataclass(frozen=True, slots=True)
class SemanticScope:
    """Whose answers may be served, and to which kind of request. `user` is None when the whole tenant shares.

    `digest` covers everything but the text of the query: requested model, tier, parameters, context messages.
    """

    tenant: str
    user: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class SemanticQuery:
    """A query of a single turn. `text` is what is compared by meaning."""

    scope: SemanticScope
    text: str


def cacheable(prompt: Prompt) -> bool:
    """Whether an answer to this prompt may be served to the next request like it.

    The temperature does not matter, as in other gateways (LiteLLM, Portkey): who wants a new answer each time says
    `cache: false`. Several answers at once (n > 1) are asked for their variety and are not cached.
    """
    parameters = prompt.parameters
    wanted = parameters.get("cache") is not False and parameters.get("n") in (None, 1)
    return wanted and not any(parameters.get(name) for name in UNREPEATABLE)


def exact_key(prompt: Prompt, *, model: str, tier: Tier, tenant: str) -> CacheKey | None:
    """None for a prompt that is not to be cached. `model` is what was requested: an id, or "auto", and the quality
    floor.

    The tier belongs to the key: it decides which models may answer.
    """
    if not cacheable(prompt):
        return None
    digest = _digest("exact", model, tier, prompt.messages, _shaping(prompt.parameters))
    return CacheKey(tenant, digest) if digest else None


def semantic_query(
    prompt: Prompt, *, model: str, tier: Tier, tenant: str, user: str | None, max_characters: int
) -> SemanticQuery | None:
    """None for what only the exact cache may answer: conversations, images, tools, long texts.

    A single turn is one user message, the last one, after nothing but context (system or developer messages).
    """
    *context, last = prompt.messages
    parameters = prompt.parameters
    if not cacheable(prompt) or any(parameters.get(name) for name in EXACT_ONLY):
        return None
    if last.get("role") != "user" or any(message.get("role") not in _CONTEXT_ROLES for message in context):
        return None
    text = _text(last.get("content"))
    if not text.strip() or len(text) > max_characters:
        return None
    digest = _digest("semantic", model, tier, context, _shaping(parameters))
    return SemanticQuery(SemanticScope(tenant, user, digest), text) if digest else None


def _shaping(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in parameters.items()
        if name not in IGNORED and value is not None and (name, value) != ("n", 1)
    }


def _text(content: object) -> str:
    """Empty unless the content is text alone."""
    if isinstance(content, list):
        if any(not isinstance(part, Mapping) or part.get("type") != "text" for part in content):
            return ""
        return "\n".join(str(part.get("text", "")) for part in content)
    return content if isinstance(content, str) else ""


def _digest(kind: str, model: str, tier: Tier, messages: Sequence[Mapping[str, Any]], rest: dict[str, Any]) -> str:
    """Empty for what is no JSON, such as lone surrogates: no provider takes it either."""
    request = [_FORMAT, kind, model, tier, messages, rest]
    try:
        return sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except TypeError:
        return ""
