"""configs/nginx.conf in a real nginx: what reaches the router, who is counted, and what nginx says itself.

tests/cluster/test_nginx.py puts it in front of a running router.
"""

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from app.api.safety import MAX_HEADER_BYTES
from app.keys.key import make_token
from app.paths import project_path
from app.settings import Settings
from tests.fakes.backend import Backend, running_backend
from tests.servers.nginx import CONFIG, TLS, Nginx, running_nginx
from tests.servers.process import wait_until

CHAT, COMPLETIONS = "/api/v1/chat", "/v1/chat/completions"
# What Ray Serve and the router obey, and nobody outside may set.
INTERNAL = {
    "x-request-timeout-seconds": "0.001",
    "x-request-disconnect-disabled": "?1",
    "serve_multiplexed_model_id": "m",
    "serve-multiplexed-model-id": "m",
    "x-session-id": "s",
    "x-serve-router-replica": "r",
    "x-llm-router-request-id": "forged",
}
PASSED = {
    "accept": "application/json",
    "authorization": f"Bearer {make_token()[1]}",
    "cache-control": "no-store",
    "content-type": "application/json",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "a=b",
    "user-agent": "test",
    "x-api-key": make_token()[1],
    "x-request-id": "mine",
    "x-tenant-id": "acme",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, Backend]]:
    files = {"trusted_proxies.conf": "set_real_ip_from 127.0.0.1;", "tls.conf": TLS.read_text()}
    folder = tmp_path_factory.mktemp("nginx")
    make_certificate(folder / "tls")
    with running_backend() as backend, running_nginx(folder, backend.url, files=files) as nginx:
        yield nginx, backend


@pytest.fixture
def nginx(running: tuple[Nginx, Backend]) -> Nginx:
    return running[0]


@pytest.fixture
def backend(running: tuple[Nginx, Backend]) -> Backend:
    running[1].requests.clear()
    return running[1]


@pytest.fixture
def http(nginx: Nginx) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=nginx.url) as http:
        yield http


def make_certificate(folder: Path) -> None:
    folder.mkdir()
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names, *files]
    subprocess.run(command, check=True, capture_output=True)


def test_the_linter_finds_nothing() -> None:
    command = [str(Path(sys.executable).parent / "gixy"), "--format", "json", str(CONFIG)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == [], done.stdout
    assert done.returncode == 0, done.stderr


def test_it_agrees_with_the_router() -> None:
    text = CONFIG.read_text()
    (router,) = [
        one
        for one in yaml.safe_load(project_path("serve_config.yaml").read_text())["applications"]
        if one["name"] == "router"
    ]
    limit = int(router["args"]["max_body_mb"] * 1_000_000)
    assert f"client_max_body_size {limit};" in text
    assert f"{limit:,} bytes" in text
    read_timeout = re.search(r"proxy_read_timeout (\d+)s;", text)
    assert read_timeout
    assert int(read_timeout[1]) > Settings().request_timeout
    assert MAX_HEADER_BYTES >= 8 * 1024  # what nginx takes as one header, the router takes


def test_every_header_that_the_router_reads_gets_through() -> None:
    read = set()
    for file in (*project_path("app/api").glob("*.py"), *project_path("deployments").glob("*.py")):
        read |= set(re.findall(r'headers\.get\("([a-z-]+)"', file.read_text()))
    assert {"x-request-id", "x-tenant-id", "cache-control", "traceparent", "content-length"} <= read
    assert read - {"content-length"} <= PASSED.keys()  # that one nginx writes itself


def test_only_known_headers_reach_the_router(nginx: Nginx, backend: Backend) -> None:
    with httpx.Client(base_url=nginx.url, headers=PASSED) as http:
        http.post(
            CHAT, content=b"{}", headers={**INTERNAL, "x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9"}
        )
    (request,) = backend.requests
    own = {"host": "127.0.0.1", "content-length": "2", "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "http"}
    assert request.headers == {**PASSED, **own}
    assert request.body == b"{}"


def test_the_address_is_what_the_trusted_proxy_saw(http: httpx.Client, backend: Backend) -> None:
    http.get("/api/v1/health", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7"})
    assert backend.requests[0].headers["x-forwarded-for"] == "203.0.113.7"


def test_nobody_is_believed_who_is_not_trusted(tmp_path: Path, backend: Backend) -> None:
    with running_nginx(tmp_path, backend.url) as nginx:
        httpx.get(f"{nginx.url}/api/v1/health", headers={"x-forwarded-for": "6.6.6.6"})
    assert backend.requests[0].headers["x-forwarded-for"] == "127.0.0.1"


def test_connections_to_the_router_are_kept(nginx: Nginx, backend: Backend) -> None:
    for number in range(20):
        httpx.get(f"{nginx.url}/api/v1/health", headers={"x-forwarded-for": f"198.51.100.{number}"})
    assert len(backend.requests) == 20
    assert len({request.connection for request in backend.requests}) <= 2  # one of each worker


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/-/routes",
        "/-/healthz",
        "/internal/route",
        "/api/v1/metrics",
        "/api/v1/metrics/",
        "/api/v1/%6detrics?x=1",
        "//api//v1/./metrics",
        "/api/v1/chat/../metrics",
    ],
)
def test_what_is_not_for_clients_is_not_there(nginx: Nginx, backend: Backend, path: str) -> None:
    answer = raw(nginx, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "not_found"
    assert backend.requests == []


def test_a_body_too_large_is_refused_in_both_shapes(http: httpx.Client, backend: Backend) -> None:
    for path, keys in (
        (CHAT, {"code", "message", "param", "request_id"}),
        (COMPLETIONS, {"code", "message", "param", "request_id", "type"}),
    ):
        answer = http.post(path, content=b"x" * 10_000_001, headers={"x-request-id": "mine"})
        assert answer.status_code == 413
        error = answer.json()["error"]
        assert error.keys() == keys
        assert error["code"] == "body_too_large"
        assert error["param"] is None
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"] == "mine"
        assert answer.headers["server"] == "nginx"
    assert backend.requests == []
    assert http.post(CHAT, content=b"x" * 10_000_000).status_code == 200


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ("GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX: " + "x" * 9000 + "\r\n\r\n", 431, "headers_too_large"),
        ("GET /v1/" + "x" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "headers_too_large"),
        ("garbage\r\n\r\n", 400, "invalid_request"),
        ("GET /api/v1/health HTTP/1.1\r\n\r\n", 400, "invalid_request"),
    ],
)
def test_what_is_no_request_is_refused_in_json(nginx: Nginx, request_: str, status: int, code: str) -> None:
    head, _, body = raw(nginx, request_).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(body)["error"]["code"] == code


def test_a_request_id_cannot_break_out_of_the_answer(http: httpx.Client) -> None:
    answer = http.get("/nowhere", headers={"x-request-id": 'a","b":"'})
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]


def test_a_router_that_is_down_is_said_to_be_down(tmp_path: Path) -> None:
    with running_nginx(tmp_path, "http://127.0.0.1:1") as nginx:
        answer = httpx.get(f"{nginx.url}/v1/models")
    assert answer.status_code == 502
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["error"]["type"] == "api_error"
    assert answer.json()["error"]["code"] == "router_unreachable"


def test_requests_at_work_are_bounded_for_each_key(tmp_path: Path, backend: Backend) -> None:
    key, other = ({"x-api-key": make_token()[1]} for _ in range(2))
    with (
        running_nginx(tmp_path, backend.url, changes={"open_by_key 100;": "open_by_key 2;"}) as nginx,
        httpx.Client(base_url=nginx.url, timeout=60) as http,
        ThreadPoolExecutor() as pool,
        backend.holding(),
    ):
        held = [pool.submit(http.get, "/api/v1/models", headers=key) for _ in range(2)]
        wait_until(lambda: len(backend.requests) == 2, 20, "both requests at the router")
        refused = http.get("/api/v1/models", headers={"authorization": f"Bearer {key['x-api-key']}"})
        passed = pool.submit(http.get, "/api/v1/models", headers=other)
        wait_until(lambda: len(backend.requests) == 3, 20, "the other key's request at the router")
        backend.go_on.set()
        assert [one.result().status_code for one in (*held, passed)] == [200, 200, 200]
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"


def test_tls_ends_here(nginx: Nginx, backend: Backend) -> None:
    context = ssl.create_default_context(cafile=str(nginx.log.parent / "tls" / "tls.crt"))
    with httpx.Client(verify=context) as http:
        assert http.get(f"https://localhost:{nginx.tls_port}/api/v1/health").status_code == 200
    assert backend.requests[0].headers["x-forwarded-proto"] == "https"


def test_the_log_has_each_request_and_no_key(http: httpx.Client, nginx: Nginx) -> None:
    id_, token = make_token()
    http.get("/api/v1/models?user=someone", headers={"authorization": f"Bearer {token}", "user-agent": 'a"b'})
    http.get("/healthz")
    lines = [json.loads(line) for line in nginx.log.read_text().splitlines() if line.startswith("{")]
    assert lines[-1]["path"] == "/api/v1/models"
    assert lines[-1]["status"] == 200
    assert id_ not in nginx.log.read_text()


def raw(nginx: Nginx, request: str) -> bytes:
    host, _, port = nginx.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
