"""The shipped nginx.conf in a real nginx before a router in production. tests/deploy/test_nginx.py has the rest."""

from collections.abc import Iterator
from itertools import count

import httpx
import pytest

from tests.cluster.production import Production
from tests.deploy.test_nginx import INTERNAL
from tests.fakes.upstream import FakeUpstream, chat_chunk, hang, sse
from tests.servers.nginx import running_nginx
from tests.servers.process import wait_until

pytestmark = pytest.mark.cluster

CHAT, MODELS, HEALTH = "/api/v1/chat", "/v1/models", "/api/v1/health"
ASK = {"query": "Is 91 a prime number?", "user_id": "u", "model": "medium", "cache": False}
MANY = 5000


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory, production: Production) -> Iterator[httpx.Client]:
    """Through nginx, which takes X-Forwarded-For for the address: each test is a client of its own."""
    folder, trusted = tmp_path_factory.mktemp("nginx"), {"trusted_proxies.conf": "set_real_ip_from 127.0.0.1;"}
    with (
        running_nginx(folder, production.url, files=trusted) as nginx,
        httpx.Client(base_url=nginx.url, timeout=60) as http,
    ):
        yield http


def until_refused(http: httpx.Client, path: str, headers: Iterator[dict[str, str]]) -> tuple[int, httpx.Response]:
    """How many requests were answered before the first 429, and that one."""
    for number in range(MANY):
        response = http.get(path, headers=next(headers))
        if response.status_code == 429:
            return number, response
        assert response.status_code == 200, response.text
    raise AssertionError(f"{MANY} requests in a row were answered")


def test_a_key_has_a_limit_of_its_own(http: httpx.Client, production: Production) -> None:
    anywhere = ({**production.header("pro"), "x-forwarded-for": f"198.51.100.{number % 250}"} for number in count())
    answered, refused = until_refused(http, MODELS, anywhere)
    assert answered > 40  # the burst
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "rate_limited"
    assert refused.json()["error"]["type"] == "invalid_request_error"
    other = {**production.header("free"), "x-forwarded-for": "198.51.100.251"}
    assert http.get(MODELS, headers=other).status_code == 200


def test_an_address_has_a_limit_of_its_own(http: httpx.Client) -> None:
    one, other = ({"x-forwarded-for": address} for address in ("203.0.113.1", "203.0.113.2"))
    answered, refused = until_refused(http, HEALTH, (one for _ in count()))
    assert answered > 100
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"].keys() == {"code", "message", "param", "request_id"}
    assert refused.json()["error"]["code"] == "rate_limited"
    assert http.get(HEALTH, headers=other).status_code == 200


def test_chunks_of_a_stream_come_when_they_are_sent(
    http: httpx.Client, production: Production, upstream: FakeUpstream
) -> None:
    """The model says one word and then nothing; when the client leaves, the call to the model ends."""
    upstream.left.clear()
    upstream.behaviours.append(hang(sse(chat_chunk("Pa"))))
    headers = {**production.header("admin"), "x-forwarded-for": "203.0.113.3"}
    with http.stream("POST", CHAT, json={**ASK, "stream": True}, headers=headers) as response:
        lines = response.iter_lines()
        assert any('"Pa"' in line for line in lines)
    wait_until(upstream.left.is_set, 30, "the end of the call to the model")


def test_headers_that_serve_obeys_do_nothing(http: httpx.Client, production: Production) -> None:
    headers = {**production.header("admin"), **INTERNAL, "x-forwarded-for": "203.0.113.4"}
    answer = http.post(CHAT, json=ASK, headers=headers)
    assert answer.status_code == 200, answer.text  # and not the timeout that was asked for
    assert answer.json()["response"] == "Paris"
    assert answer.headers["x-llm-router-request-id"] != INTERNAL["x-llm-router-request-id"]


def test_the_routers_own_answers_pass_untouched(http: httpx.Client, production: Production) -> None:
    at = {"x-forwarded-for": "203.0.113.5"}
    refused = http.post(CHAT, json=ASK, headers=at)
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert refused.headers["www-authenticate"] == "Bearer"
    wrong = http.post(CHAT, json={}, headers={**production.header("admin"), **at, "x-request-id": "mine"})
    assert wrong.status_code == 422
    assert wrong.headers["x-request-id"] == "mine"


def test_nginx_refuses_a_large_body_as_the_router_does(http: httpx.Client, production: Production) -> None:
    body = b"x" * 10_000_001
    headers = {**production.header("admin"), "x-forwarded-for": "203.0.113.6"}
    here = http.post(CHAT, content=body, headers=headers)
    with production.http("admin") as direct:
        there = direct.post(CHAT, content=body)
    assert here.status_code == there.status_code == 413
    assert here.json()["error"].keys() == there.json()["error"].keys()
    assert here.json()["error"]["code"] == there.json()["error"]["code"]


def test_metrics_are_for_those_inside_whatever_the_key(http: httpx.Client, production: Production) -> None:
    headers = {**production.header("admin"), "x-forwarded-for": "203.0.113.7"}
    assert http.get("/api/v1/metrics", headers=headers).status_code == 404
    assert http.get("/openapi.json", headers=headers).status_code == 200
