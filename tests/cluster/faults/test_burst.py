"""Ten times as many requests as there is capacity for, and many connections that say nothing."""

import copy
import resource
import socket

import orjson
import pytest

from tests.cluster.burst import closed, open_
from tests.cluster.faults.conftest import Faulty
from tests.cluster.load import load
from tests.cluster.report import SECONDS, record, record_burst, time_until

pytestmark = pytest.mark.cluster

BURST_S = 30.0 if SECONDS else 5.0
ONGOING, QUEUED, CALL_S = 10, 10, 0.4  # so that the capacity, some 25 a second, is not what two cores can do
IDLE = 2000


async def test_a_burst_of_ten_times_the_capacity_is_shed(faulty: Faulty) -> None:
    config = copy.deepcopy(faulty.router.config)
    ingress = config["applications"][0]["deployments"][0]
    ingress |= {"max_ongoing_requests": ONGOING, "max_queued_requests": QUEUED}
    faulty.second.answer(delay_s=CALL_S)
    pids = faulty.router.replica_pids("Ingress")
    faulty.router.deploy(config)
    try:
        time_until(lambda: faulty.router.applications()["router"]["status"] == "RUNNING", "the lower limits")
        assert faulty.router.replica_pids("Ingress") == pids
        capacity = (await closed(faulty.router.url, ONGOING, 3.0)).statuses["200"] / 3.0
        burst = await open_(faulty.router.url, 10 * capacity, BURST_S)
        after = await closed(faulty.router.url, 2, 2.0)
    finally:
        faulty.second.answer()
        faulty.router.deploy(faulty.router.config)
    record_burst(f"a burst of 10 times the capacity for {BURST_S:.0f} s", burst)
    assert burst.statuses.keys() == {"200", "429"}
    assert burst.statuses["200"] >= 0.5 * capacity * BURST_S
    assert after.statuses.keys() == {"200"}
    for retry_after, body in burst.refusals:
        assert retry_after == "1"
        error = orjson.loads(body)["error"]
        assert error.keys() == {"code", "message", "param", "request_id"}
        assert error["code"] == "overloaded"


def test_two_thousand_idle_connections_refuse_nobody(faulty: Faulty) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * IDLE)), hard))
    port = int(faulty.router.url.rpartition(":")[2])
    idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(IDLE)]
    try:
        with load([faulty.router.url], model="auto") as loaded:
            loaded.wait_for(100, "beside idle connections")
        alive = [_asks_for_health(connection) for connection in idle]
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    record(f"{IDLE} idle connections", loaded, None)
    assert loaded.failures == []
    assert all(alive)
    loaded.check()


def _asks_for_health(connection: socket.socket) -> bool:
    connection.sendall(b"GET /-/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return connection.recv(4096).startswith(b"HTTP/1.1 200 ")
