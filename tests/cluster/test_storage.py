"""Nothing is lost when an Ingress replica dies under load, and the metrics go on counting."""

import os
import signal

import pytest

from tests.cluster.load import Answer, load
from tests.fakes.echo import echoing
from tests.fakes.upstream import FakeUpstream
from tests.servers.process import wait_until
from tests.servers.router import Cluster

pytestmark = pytest.mark.cluster

REQUESTS = "llm_router_requests_total"


def has_decision(cluster: Cluster, answer: Answer) -> bool:
    found = cluster.http.get(f"/api/v1/requests/{answer.id}", headers={"X-Tenant-ID": answer.tenant}).json()
    return found.get("decision") is not None


def test_every_answer_has_its_decision_in_storage_though_the_ingress_dies(
    cluster: Cluster, upstream: FakeUpstream
) -> None:
    before = cluster.metric(REQUESTS)
    with echoing(upstream), load([cluster.url]) as loaded:
        loaded.wait_for(50, "at first")
        (pid,) = cluster.replica_pids("Ingress")
        os.kill(pid, signal.SIGKILL)
        loaded.wait_for(100, "after the death")
    loaded.check()
    assert [answer for answer in loaded.answers if not has_decision(cluster, answer)] == []
    assert cluster.metric(REQUESTS) >= before + 100


def test_feedback_and_statistics_on_the_real_thing(cluster: Cluster) -> None:
    ask = {"query": "hello", "user_id": "rater", "model": "strong"}
    id_ = cluster.http.post("/api/v1/chat", json=ask).headers["x-llm-router-request-id"]
    assert cluster.http.post("/api/v1/feedback", json={"request_id": id_, "rating": 4}).status_code == 200
    assert cluster.http.get(f"/api/v1/requests/{id_}").json()["feedback"]["rating"] == 4
    wait_until(lambda: cluster.http.get("/api/v1/stats").json()["total"]["ratings"] >= 1, 10, "the rating")
    assert cluster.services()["storage"]["state"] == "ok"
