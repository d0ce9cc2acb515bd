import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import orjson
import pytest
from multidict import CIMultiDict

from app import errors
from app.models.catalogue import ModelSpec
from app.models.upstream_errors import encoded, from_answer, from_status, mapped

Make = Callable[..., ModelSpec]


def error_body(message: str, **more: object) -> bytes:
    return orjson.dumps({"error": {"message": message, **more}})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.UpstreamError),
        (400, errors.UpstreamRejected),
        (401, errors.UpstreamUnauthorized),
        (402, errors.UpstreamUnauthorized),
        (403, errors.UpstreamUnauthorized),
        (404, errors.UpstreamError),
        (408, errors.UpstreamTimeout),
        (413, errors.UpstreamRejected),
        (422, errors.UpstreamRejected),
        (429, errors.UpstreamRateLimited),
        (500, errors.UpstreamUnreachable),
        (503, errors.UpstreamUnreachable),
        (504, errors.UpstreamTimeout),
        (529, errors.UpstreamUnreachable),
    ],
)
def test_every_status_has_its_error(make_spec: Make, status: int, kind: type[errors.UpstreamError]) -> None:
    error = from_status(make_spec(id="gpt"), status, {}, error_body("it went wrong"))
    assert type(error) is kind
    assert "gpt" in error.message
    assert str(status) in error.message


def test_the_providers_message_is_passed_on(make_spec: Make) -> None:
    assert "max_tokens is too large" in from_status(make_spec(), 400, {}, error_body("max_tokens is too large")).message


def test_a_refused_key_is_named_by_its_variable(make_spec: Make) -> None:
    error = from_status(make_spec(), 401, {}, error_body("Incorrect API key provided: sk-abc***xyz"))
    assert "OPENAI_API_KEY" in error.message
    assert "sk-abc" not in error.message


def test_a_missing_key_variable_is_what_to_set(make_spec: Make) -> None:
    spec = make_spec(provider="openai-compatible", base_url="http://127.0.0.1:1/v1")
    assert "set key_variable" in from_status(spec, 401, {}, b"").message


def test_an_account_without_credit_is_no_rate_limit(make_spec: Make) -> None:
    body = error_body("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota")
    assert type(from_status(make_spec(), 429, {}, body)) is errors.UpstreamUnauthorized


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-Ab12Cd34Ef56Gh78",
        "sk-a******************wxyz",
        "Bearer abc.def.ghi",
        "AIzaSyA1234567890abcdefg",
        "aB3dE5gH7jK9mN1pQ3rS5tU7vW9",
        "abcd****wxyz",
    ],
)
def test_keys_are_taken_out(make_spec: Make, secret: str) -> None:
    message = from_status(make_spec(), 400, {}, error_body(f"The key {secret} is odd")).message
    assert "[key] is odd" in message


def test_the_prompt_is_taken_out(make_spec: Make) -> None:
    prompt = "My doctor says that I have a rare illness, what now?"
    for message in (
        f"Invalid value: '{prompt}'.",
        f"1 error: {{'type': 'x', 'input': ['{prompt}']}}",
        f'Odd: "{prompt * 99}',
    ):
        assert "doctor" not in from_status(make_spec(), 400, {}, error_body(message)).message
    body = orjson.dumps({"detail": [{"loc": ["body"], "msg": "bad", "input": prompt}]})
    assert "doctor" not in from_status(make_spec(), 422, {}, body).message


def test_short_quotes_and_apostrophes_stay(make_spec: Make) -> None:
    text = "Unknown parameter: 'foo'. It isn't one that this model's family would ever take, so don't send it."
    assert text in from_status(make_spec(), 400, {}, error_body(text)).message


def test_a_message_is_shortened_to_one_line(make_spec: Make) -> None:
    message = from_status(make_spec(id="m"), 400, {}, error_body("a bad\n thing. " * 100)).message
    assert len(message) <= 300 + len("m: HTTP 400: ")
    assert "\n" not in message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": null}', b'{"error": {"message": 7}}'])
def test_nonsense_has_no_explanation(make_spec: Make, body: bytes) -> None:
    assert from_status(make_spec(), 500, {}, body).message.endswith("HTTP 500: no explanation given")


@pytest.mark.parametrize("body", [b'"busy"', b'{"error": "busy"}', b'{"message": "busy"}', b'{"detail": "busy"}'])
def test_plain_explanations_are_read(make_spec: Make, body: bytes) -> None:
    assert from_status(make_spec(), 503, {}, body).message.endswith("busy")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "99999"}, 3600.0),
        ({"Retry-After": "inf"}, 3600.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After-Ms": "1500", "Retry-After": "9"}, 1.5),
    ],
)
def test_retry_after(make_spec: Make, headers: dict[str, str], seconds: float | None) -> None:
    assert from_status(make_spec(), 429, CIMultiDict(headers), b"").retry_after_s == seconds


def test_retry_after_as_a_date(make_spec: Make) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    wait = from_status(make_spec(), 429, {"retry-after": date}, b"").retry_after_s
    assert wait is not None
    assert 25 < wait <= 30


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"type": "overloaded_error"}, errors.UpstreamUnreachable),
        ({"type": "rate_limit_error"}, errors.UpstreamRateLimited),
        ({"type": "invalid_request_error"}, errors.UpstreamRejected),
        ({"type": "invalid_request_error", "code": "invalid_api_key"}, errors.UpstreamUnauthorized),
        ({"type": "timeout_error"}, errors.UpstreamTimeout),
        ({"code": 400}, errors.UpstreamRejected),
        ({"code": 7}, errors.UpstreamUnreachable),
        ({}, errors.UpstreamUnreachable),
    ],
)
def test_an_error_object_tells_what_it_is(make_spec: Make, fault: object, kind: type[errors.UpstreamError]) -> None:
    assert type(from_answer(make_spec(), {"error": fault})) is kind


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (TimeoutError(), errors.UpstreamTimeout),
        (aiohttp.ConnectionTimeoutError(), errors.UpstreamTimeout),
        (aiohttp.ServerDisconnectedError(), errors.UpstreamUnreachable),
        (aiohttp.ClientPayloadError(), errors.UpstreamInvalidAnswer),
        (aiohttp.InvalidURL("x"), errors.UpstreamUnreachable),
        (ssl.SSLError(), errors.UpstreamUnreachable),
        (ConnectionResetError(), errors.UpstreamUnreachable),
        (KeyError("choices"), errors.UpstreamInvalidAnswer),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), errors.UpstreamInvalidAnswer),
        (errors.UpstreamRejected("as it is"), errors.UpstreamRejected),
    ],
)
def test_every_exception_has_its_error(make_spec: Make, raised: Exception, kind: type[errors.UpstreamError]) -> None:
    with pytest.raises(errors.UpstreamError) as caught, mapped(make_spec()):
        raise raised
    assert type(caught.value) is kind


def test_the_host_is_named_without_credentials(make_spec: Make) -> None:
    spec = make_spec(provider="openai-compatible", base_url="http://me:pass@example.com:81/v1")
    with pytest.raises(errors.UpstreamUnreachable, match=r"example\.com:81") as caught, mapped(spec):
        raise ConnectionResetError
    assert "pass" not in caught.value.message


@pytest.mark.parametrize("value", ["\ud800", {1: 2}, 2**70, object()])
def test_what_json_cannot_say_is_rejected(make_spec: Make, value: object) -> None:
    with pytest.raises(errors.UpstreamRejected):
        encoded(make_spec(), {"messages": [value]})
