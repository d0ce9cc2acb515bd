"""Requests that nobody should send: good ones in both formats, spoiled in places, and then as bytes and as headers."""

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from typing import Any

from hypothesis import strategies as st

MARK = "hostile-zebra-4711"  # in every text; nothing of a body may come into a log
CHAT, ROUTE, COMPLETIONS, FEEDBACK = "/api/v1/chat", "/api/v1/route", "/v1/chat/completions", "/api/v1/feedback"
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Hostile:
    """One request. `broken`: its head is no HTTP, so whoever reads it first may refuse it in a way of its own."""

    path: str
    body: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    chunks: int = 0  # 0: with a Content-Length
    broken: bool = False


GOOD: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        CHAT,
        {
            "query": f"What is {MARK}?",
            "user_id": "u",
            "context": [{"role": "user", "content": MARK}, {"role": "assistant", "content": MARK}],
            "user_tier": "pro",
            "model": "strong",
            "max_cost_usd": 1.0,
            "quality_floor": 0.5,
            "max_latency_ms": 10_000,
            "stream": False,
            "cache": True,
        },
    ),
    (ROUTE, {"query": f"Is {MARK} prime?", "user_id": "u", "context": MARK, "model": "auto"}),
    (FEEDBACK, {"request_id": MARK, "rating": 5, "comment": MARK}),
    (
        COMPLETIONS,
        {
            "model": "medium",
            "messages": [
                {"role": "system", "content": MARK, "name": MARK},
                {"role": "user", "content": [{"type": "text", "text": MARK}]},
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": MARK}}]},
                {"role": "tool", "tool_call_id": "1", "content": MARK},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "user": "u",
            "max_tokens": 5,
            "n": 2,
            "temperature": 0.5,
            "stop": ["a", "b"],
            "logit_bias": {"50256": -100},
            "user_tier": "free",
            "cache": False,
        },
    ),
    (
        COMPLETIONS,
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": MARK},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                    ],
                }
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "tool_choice": "auto",
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
            "max_completion_tokens": 5,
            "seed": 1,
            "quality_floor": 0.1,
        },
    ),
)


def nested(depth: int) -> Any:
    value: Any = MARK
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


TEXTS = st.text(max_size=30).map(lambda text: f"{MARK}{text}")
ODD_TEXTS = st.sampled_from(
    ["", " \n", "\0", f"{MARK}\0", f"{MARK}\ud800", "\udfff", MARK * 2000, "\u202e" + MARK, "🦓" * 99]
)
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),  # infinite ones and NaN too
    st.sampled_from([2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**300, 10**400, 5e-324, -0.0, 1e308]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, ODD_TEXTS)
JUNK = st.one_of(
    LEAVES,
    st.lists(LEAVES, max_size=4),
    st.dictionaries(TEXTS | st.sampled_from(["type", "text", "role", "content", ""]), LEAVES, max_size=4),
    st.sampled_from([50, 200, 300, 600]).map(nested),
)


def places(value: Any, path: Path = ()) -> list[Path]:
    """Of every value within."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, Any]:
    """A path and a body of which up to three values are other ones, or are missing."""
    path, good = draw(st.sampled_from(GOOD))
    body = json.loads(json.dumps(good))
    for place in draw(st.lists(st.sampled_from(places(good)), max_size=3)):
        if not place:
            return path, draw(JUNK)
        with suppress(LookupError, TypeError):  # it went with what another one replaced
            inner = reduce(getitem, place[:-1], body)
            if draw(st.integers(0, 4)) == 0:
                del inner[place[-1]]
            else:
                inner[place[-1]] = draw(JUNK)
            if isinstance(inner, dict) and draw(st.integers(0, 4)) == 0:
                inner[draw(TEXTS)] = draw(JUNK)
    return path, body


SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda body: body[: len(body) // 2],
    "twice": lambda body: body + body,
    "the same key again": lambda body: body[:-1] + b', "query": 1, "messages": [], "user_id": {}}',
    "comma": lambda body: body[:-1] + b",}",
    "bad UTF-8": lambda body: body.replace(MARK.encode(), b"\xff\xfe\xc0\x80" + MARK.encode(), 1),
    "a surrogate in UTF-8": lambda body: body.replace(MARK.encode(), b"\xed\xa0\x80", 1),
    "raw control characters": lambda body: body.replace(MARK.encode(), MARK.encode() + b"\x00\x1b\n", 1),
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "BOM": lambda body: b"\xef\xbb\xbf" + body,
    "gzip": gzip.compress,
    "100,000 brackets": lambda body: body[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "1,000 brackets": lambda body: body[:-1] + b', "x": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "open brackets": lambda _: b'{"a":' * 50_000,
    "a long number": lambda body: body[:-1] + b', "n": ' + b"9" * 50_000 + b"}",
    "nothing": lambda _: b"",
    "null": lambda _: b"null",
}
BYTES = st.one_of(
    st.sampled_from(sorted(SPOILERS)).map(SPOILERS.__getitem__), st.binary(max_size=60).map(lambda junk: lambda _: junk)
)
TYPES = [
    b"application/json",
    b"application/json; charset=utf-16",
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data",
    b"multipart/form-data; boundary=x",
    b"",
    b"json",
    b"application/\xff",
    b"application/vnd.api+json",
]
HEADERS: dict[bytes, list[bytes]] = {
    b"x-request-id": [b"mine", b"a b", b"\xff\xfe", b"x" * 5000, "ÿ🦓".encode(), b"", b"\t"],
    b"x-llm-router-request-id": [b"not-yours", b"\xff"],
    b"x-tenant-id": [b"acme", b"", b"../../etc", b"a" * 65, b"\xc3\xa9", b"x' OR 1=1 --"],
    b"traceparent": [b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"garbage", b"\xff", b"00-" + b"f" * 4000],
    b"tracestate": [b"=" * 600],
    b"baggage": [b"a=" + b"%" * 3000],
    b"content-encoding": [b"gzip", b"br", b"identity, gzip"],
    b"accept": [b"text/html", b"\xff"],
    b"cookie": [b"a=" + b"b" * 4000],
    b"cache-control": [b"no-store, \xff"],
    b"x-request-timeout-seconds": [b"0", b"-1", b"nan", b"never"],
    b"x-request-disconnect-disabled": [b"?1"],
    b"x-forwarded-for": [b"127.0.0.1, evil"],
    b"expect": [b"100-continue"],
    b"serve_multiplexed_model_id": [b"../../etc"],
}
BROKEN: dict[bytes, list[bytes]] = {
    b"x-request-id": [b"a\r\nx-injected: 1", b"a\nb", b"a\rb", b"a\x00b", b"\x7f\x01"],
    b"x bad name": [b"1"],
    b"content-length": [b"-1", b"1e9", b"99999999999999999999", b"5, 6"],
    b"transfer-encoding": [b"gzip, chunked", b"identity", b"x"],
}


@st.composite
def hostile(draw: st.DrawFn) -> Hostile:
    path, value = draw(spoiled())
    body = json.dumps(value).encode()
    if draw(st.integers(0, 2)) == 0:
        body = draw(BYTES)(body)
    headers = {b"content-type": draw(st.sampled_from(TYPES)) if draw(st.integers(0, 3)) == 0 else TYPES[0]}
    broken = draw(st.integers(0, 19)) == 0
    if broken or draw(st.integers(0, 2)) == 0:
        table = BROKEN if broken else HEADERS
        for name in draw(st.lists(st.sampled_from(sorted(table)), max_size=3, min_size=1, unique=True)):
            headers[name] = draw(st.sampled_from(table[name]))
    if draw(st.integers(0, 9)) == 0:
        path += draw(
            st.sampled_from(
                [
                    "?a=b",
                    "?window=" + "x" * 5000,
                    "?" + "&" * 500,
                    "/",
                    "/%00",
                    "/%ff%fe",
                    "//",
                    "?query=%00",
                    "/../../etc",
                ]
            )
        )
    return Hostile(path, body, headers, draw(st.sampled_from([0, 0, 0, 1, 7])), broken)
