"""What goes wrong at a provider, told in the words of the error tree. Every client maps its failures here.

A provider's message is passed on shortened and without what may be secret: providers quote the key in "incorrect API
key" messages, and quote the prompt when they find a fault in it.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson

from app.errors import (
    UpstreamError,
    UpstreamInvalidAnswer,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from app.models.catalogue import ModelSpec

_MAX_MESSAGE = 300
_MAX_RETRY_AFTER_S = 3600.0
_OUR_FAULT = frozenset({404, 405})  # a wrong upstream_name or base_url: the caller's request may well be right
_NO_CREDIT = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|nvapi|hf|key)[-_][\w*.-]{4,}"  # by prefix
    r"|\bAIza[\w-]{10,}|\bBearer\s+\S+"
    r"|\b(?=[\w*-]*\d)(?=[\w*-]*[a-z])(?=[\w*-]*[A-Z])[\w*-]{24,}"  # by looks
    r"|[\w-]*\*{3,}[\w*-]*"  # half hidden by the provider
)
_QUOTED_INPUT = re.compile(r"""['"]?\binput(?:_value)?['"]?\s*[:=].*""", re.DOTALL)
_QUOTE = re.compile(r"""(?<!\w)(['"`])(?:(?P<short>.{0,39}?)\1(?!\w)|.{40,}?(?:\1(?!\w)|\Z))""", re.DOTALL)


def from_status(spec: ModelSpec, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error for an answer with a status other than 200. `headers` must not mind upper and lower case."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    return _error(spec, status, _fault(answer), _retry_after_s(headers))


def from_answer(spec: ModelSpec, answer: Mapping[str, Any]) -> UpstreamError:
    """The error for a provider's error object that came with status 200, as it does inside a stream."""
    fault = _fault(answer)
    code = fault.get("code")
    named = (_STATUS_OF.get(str(fault.get(key))) for key in ("code", "type"))
    status = code if isinstance(code, int) and 400 <= code < 600 else next((s for s in named if s), 500)
    return _error(spec, status, fault, None)


def refused(spec: ModelSpec, reason: str, param: str | None = None) -> UpstreamRejected:
    """The error for a request that cannot be put into the provider's format."""
    return UpstreamRejected(f"{spec.id}: {reason}", param=param)


def invalid_answer(spec: ModelSpec, what: str) -> UpstreamInvalidAnswer:
    return UpstreamInvalidAnswer(f"{spec.id}: the provider's answer {what}")


@contextmanager
def mapped(spec: ModelSpec) -> Iterator[None]:
    """Raises UpstreamError in place of what the HTTP library raises, and of faults in an answer's shape."""
    try:
        yield
    except UpstreamError:
        raise
    except TimeoutError as error:
        raise UpstreamTimeout(f"{spec.id}: no connection to {_host(spec)} in time") from error
    except aiohttp.ClientPayloadError as error:
        raise invalid_answer(spec, "was cut off") from error
    except (aiohttp.ClientError, OSError) as error:
        raise unreachable(spec, error) from error
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise invalid_answer(spec, f"cannot be read ({type(error).__name__})") from error


def unreachable(spec: ModelSpec, error: BaseException) -> UpstreamUnreachable:
    return UpstreamUnreachable(f"{spec.id}: connection to {_host(spec)} failed: {type(error).__name__}")


def encoded(spec: ModelSpec, body: Mapping[str, Any]) -> bytes:
    """The body as JSON. Raises UpstreamRejected for what JSON cannot say: lone surrogates, huge integers."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise refused(spec, f"the request cannot be written as JSON: {error}") from None


def _error(spec: ModelSpec, status: int, fault: Mapping[str, Any], retry_after_s: float | None) -> UpstreamError:
    if status in (401, 403):
        return UpstreamUnauthorized(f"{spec.id}: the provider refused our key (HTTP {status}): {_key_advice(spec)}")
    if status == 402 or not _NO_CREDIT.isdisjoint((fault.get("type"), fault.get("code"))):
        return UpstreamUnauthorized(f"{spec.id}: no credit left (HTTP {status}) on the account of {_key(spec)}")
    text = f"{spec.id}: HTTP {status}: {_readable(fault)}"
    if status in (408, 504):
        return UpstreamTimeout(text)
    if status == 429:
        return UpstreamRateLimited(text, retry_after_s=retry_after_s)
    if status >= 500:
        return UpstreamUnreachable(text, retry_after_s=retry_after_s)
    if status < 400 or status in _OUR_FAULT:
        return UpstreamError(f"{text} (check upstream_name and base_url of this model)")
    return UpstreamRejected(text)


def _key(spec: ModelSpec) -> str:
    return spec.key_name or "a model without key_variable"


def _key_advice(spec: ModelSpec) -> str:
    if spec.key_name is None:
        return "it wants one; set key_variable for this model"
    return f"check the variable {spec.key_name}, and that its account may use {spec.upstream_name}"


def _host(spec: ModelSpec) -> str:
    return spec.url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _fault(answer: object) -> Mapping[str, Any]:
    """The error object within an answer; some servers send a bare string, or leave out the wrapping."""
    fault = answer.get("error", answer) if isinstance(answer, dict) else answer
    return fault if isinstance(fault, dict) else {"message": fault}


def _readable(fault: Mapping[str, Any]) -> str:
    message = fault.get("message") or fault.get("detail")
    if not isinstance(message, str):
        return "no explanation given"
    message = _KEY.sub("[key]", message[: 10 * _MAX_MESSAGE])
    message = _QUOTED_INPUT.sub("[...]", message)
    message = _QUOTE.sub(lambda quote: "[...]" if quote["short"] is None else quote[0], message)
    message = " ".join(message.split())
    return message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 3] + "..."


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, 0 to an hour, from retry-after-ms or Retry-After (seconds or a date); None if absent or nonsense."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = _seconds(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time.time()
