"""Each deployment's replica is killed in turn, under load."""

import copy
import os
import signal
import time

import httpx
import pytest

from tests.cluster.faults.conftest import Faulty
from tests.cluster.load import load
from tests.cluster.report import SECONDS, last_for_a_while, record, time_until

pytestmark = pytest.mark.cluster

CLIENTS = 40
FEW = 2  # HAProxy sends nothing again of which it has read an answer's first bytes
STAGES = ("DecisionEngine", "FeatureExtractor", "Classifier", "Retriever", "MetricsKeeper")


def replaced(faulty: Faulty, deployment: str, pid: int) -> bool:
    """Whether a new replica does the work of the one that was killed."""
    try:
        pids = faulty.router.replica_pids(deployment)
        metrics = faulty.router.http.get("/api/v1/metrics").status_code
    except (httpx.HTTPError, OSError, LookupError):
        return False
    return bool(pids) and pid not in pids and metrics == 200 and faulty.whole()


@pytest.mark.parametrize("deployment", STAGES)
def test_a_killed_stage_costs_no_answer(faulty: Faulty, deployment: str) -> None:
    (pid,) = faulty.router.replica_pids(deployment)
    with load([faulty.router.url], model="auto") as loaded:
        loaded.wait_for(10, "before")
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        recovered_s = time_until(lambda: replaced(faulty, deployment, pid), f"a new {deployment}", since=killed)
        last_for_a_while()
        loaded.wait_for(10, "after")
    record(f"{deployment} killed", loaded, recovered_s)
    assert loaded.failures == []
    loaded.check()
    assert {answer.cause for answer in loaded.answers} <= {"scored", "degraded"}


def test_a_killed_ingress_costs_streams_that_had_begun_and_hardly_another_answer(faulty: Faulty) -> None:
    check_a_killed_ingress(faulty, "Ingress killed, the only one")


@pytest.mark.skipif(not SECONDS, reason="starts another replica: run by `make faults`")
def test_of_two_ingresses_one_is_killed(faulty: Faulty) -> None:
    config = copy.deepcopy(faulty.router.config)
    config["applications"][0]["deployments"][0]["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 2}
    faulty.router.deploy(config)
    try:
        time_until(lambda: len(faulty.router.replica_pids("Ingress")) == 2, "the second Ingress")
        check_a_killed_ingress(faulty, "Ingress killed, one of two")
    finally:
        faulty.router.deploy(faulty.router.config)


def check_a_killed_ingress(faulty: Faulty, fault: str) -> None:
    pid, *others = faulty.router.replica_pids("Ingress")
    faulty.first.answer(delay_s=0.2, pause_s=0.1)  # so that there is something to lose
    with load([faulty.router.url], model="auto", clients=CLIENTS) as loaded:
        loaded.wait_for(10, "before")
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)

        def works() -> bool:
            return replaced(faulty, "Ingress", pid) and len(faulty.router.replica_pids("Ingress")) > len(others)

        recovered_s = time_until(works, "a new Ingress", since=killed)
        last_for_a_while()
        loaded.wait_for(10, "after")
    faulty.first.answer()
    record(fault, loaded, recovered_s)
    assert len(loaded.failures) <= CLIENTS  # each client had one on its way
    assert len(loaded.lost) <= FEW
    loaded.check()
