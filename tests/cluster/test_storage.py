"""Nothing is lost when an Ingress replica dies under load, and the metrics go on counting."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.servers.process import wait_until
from tests.servers.router import Cluster

pytestmark = pytest.mark.cluster

ASK = {"query": "hello", "user_id": "load", "model": "strong", "cache": False}
CLIENTS, PAUSE_S = 4, 0.08  # about 50 requests a second


@contextmanager
def load(cluster: Cluster) -> Iterator[list[str]]:
    """The request ids of all answers with status 200, as they come."""
    answered: list[str] = []
    stop = threading.Event()

    def client() -> None:
        with httpx.Client(base_url=cluster.url, timeout=10) as http:
            while not stop.is_set():
                try:
                    response = http.post("/api/v1/chat", json=ASK)
                    if response.status_code == 200:
                        answered.append(response.headers["x-request-id"])
                except httpx.HTTPError:
                    pass  # the replica died under this request: it has no answer
                time.sleep(PAUSE_S)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def total(cluster: Cluster, name: str) -> float:
    response = cluster.http.get("/api/v1/metrics")
    assert response.status_code == 200, response.text
    return sum(float(value) for value in re.findall(rf"^{name}{{.*}} ([\d.e+]+)$", response.text, re.M))


def test_every_answer_has_its_decision_in_storage_though_the_ingress_dies(cluster: Cluster) -> None:
    before = total(cluster, "llm_router_requests_total")
    with load(cluster) as answered:
        wait_until(lambda: len(answered) >= 50, 30, "the first answers")
        (pid,) = cluster.replica_pids("Ingress")
        os.kill(pid, signal.SIGKILL)
        count = len(answered)
        wait_until(lambda: len(answered) >= count + 100, 90, "answers after the death")
    missing = [id_ for id_ in answered if cluster.http.get(f"/api/v1/requests/{id_}").json().get("decision") is None]
    assert missing == []
    assert len(set(answered)) == len(answered)
    assert total(cluster, "llm_router_requests_total") >= before + 100


def test_feedback_and_statistics_on_the_real_thing(cluster: Cluster) -> None:
    id_ = cluster.http.post("/api/v1/chat", json=ASK).headers["x-request-id"]
    assert cluster.http.post("/api/v1/feedback", json={"request_id": id_, "rating": 4}).status_code == 200
    assert cluster.http.get(f"/api/v1/requests/{id_}").json()["feedback"]["rating"] == 4
    wait_until(lambda: cluster.http.get("/api/v1/stats").json()["total"]["ratings"] >= 1, 10, "the rating")
    assert cluster.http.get("/api/v1/health").json()["services"]["storage"]["state"] == "ok"
