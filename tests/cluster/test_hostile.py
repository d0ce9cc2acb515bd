"""Requests that nobody should send, on a running router: refused in good form, not logged, and nothing grows."""

import gzip
import os
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import psutil
import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.cluster.hostile import CHAT, COMPLETIONS, MARK, Hostile, hostile
from tests.cluster.production import Production
from tests.cluster.raw import Answer, RawClient

pytestmark = pytest.mark.cluster

BODIES = int(os.environ.get("FUZZ_BODIES", "2000"))
WARM = 500  # requests after which an Ingress has loaded everything
GROWTH_MB = 24
SETTLED_GROWTH_MB = 12  # in the second half: caches fill and pools find their size in the first thousands
PLAIN = {b"content-type": b"application/json"}


@pytest.fixture(scope="module")
def client(production: Production) -> Iterator[RawClient]:
    key = production.header("admin")["authorization"]
    raw = RawClient(production.url, {b"authorization": key.encode()})
    yield raw
    raw.close()


def check(request: Hostile, answer: Answer) -> None:
    """No fault of the router; an error says what it has to, in the shape of its path."""
    assert answer.status < 500, answer
    if request.broken or answer.status < 400:
        return
    error = orjson.loads(answer.body)["error"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert error["code"]
    assert error["message"]
    assert error["request_id"] == answer.headers["x-llm-router-request-id"]
    assert ("type" in error) == request.path.startswith("/v1/")


def test_hostile_requests(production: Production, client: RawClient) -> None:
    (pid,) = production.cluster.replica_pids("Ingress")
    memory = psutil.Process(pid).memory_info
    statuses, sizes = Counter[int](), []

    @seed(1)
    @settings(max_examples=BODIES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(hostile())
    def ask(request: Hostile) -> None:
        answer = client.post(request.path, request.headers, request.body, chunks=request.chunks)
        check(request, answer)
        statuses[answer.status] += 1
        if statuses.total() % WARM == 0:
            sizes.append(memory().rss)

    ask()
    print(f"{statuses}; MB: {[size >> 20 for size in sizes]}")
    assert {200, 400, 404, 422} <= statuses.keys()
    assert production.cluster.replica_pids("Ingress") == [pid]
    assert sizes[-1] - sizes[len(sizes) // 2] < SETTLED_GROWTH_MB * 2**20, sizes
    assert not [path for path in logs(pid) if MARK.encode() in path.read_bytes()]
    assert MARK.encode() not in production.cluster.log.read_bytes()


def test_bodies_without_end(production: Production, client: RawClient) -> None:
    """Over the limit, with their length and without; as a bomb; and of clients that leave before the end."""
    (pid,) = production.cluster.replica_pids("Ingress")
    large, bomb = b'"%s"' % (b"x" * 11_000_000), gzip.compress(b" " * 50_000_000)
    packed = PLAIN | {b"content-encoding": b"gzip"}
    memory, sizes = psutil.Process(pid).memory_info, []
    for _ in range(4):
        answers = [client.post(CHAT, PLAIN, large), client.post(CHAT, PLAIN, large, chunks=100)]
        answers += [client.post(CHAT, packed, bomb), client.post(COMPLETIONS, packed, bomb)]
        assert [answer.status for answer in answers] == [413, 413, 400, 400]
        for _ in range(10):
            leave_early(production)
        assert client.post(CHAT, PLAIN, b'{"query": "hello", "user_id": "u", "model": "strong"}').status == 200
        sizes.append(memory().rss)
    assert sizes[-1] - sizes[0] < GROWTH_MB * 2**20, sizes


def leave_early(production: Production) -> None:
    address = urlsplit(production.url)
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: {production.header('pro')['authorization']}"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f'{head}\r\ncontent-length: 1000\r\n\r\n{{"query":'.encode())


def logs(pid: int) -> set[Path]:
    """What the process writes into."""
    found = {Path(file.path) for file in psutil.Process(pid).open_files()}
    return {path for path in found if path.suffix in {".log", ".out", ".err", ".json"}}
