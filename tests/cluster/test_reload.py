"""A new `user_config` on a real cluster: it takes over without a restart, or is refused."""

import copy
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.classifier.artifact import GRAPH
from tests.cluster.conftest import SUCCESS, with_artifact
from tests.cluster.test_serve import METRICS, route
from tests.fakes.artifact import make_artifact
from tests.servers.process import wait_until
from tests.servers.router import Cluster

pytestmark = pytest.mark.cluster


def test_weights_are_reloaded_without_a_restart(cluster: Cluster) -> None:
    before = {name: cluster.replica_pids(name) for name in ("Ingress", "DecisionEngine")}
    config = copy.deepcopy(cluster.config)
    for deployment in config["applications"][0]["deployments"][:2]:
        deployment["user_config"]["version"] = "reloaded"
        deployment["user_config"]["weights"]["free"] = {"quality": 0, "cost": 0, "latency": 1, "hint": 0}
    cluster.deploy(config)
    wait_until(lambda: route(cluster)["weights_version"] == "reloaded", 30, "the reload")
    assert {name: cluster.replica_pids(name) for name in before} == before

    broken = copy.deepcopy(config)
    for deployment in broken["applications"][0]["deployments"][:2]:
        deployment["user_config"]["weights"]["free"]["cost"] = -1
        deployment["user_config"]["version"] = "broken"
    cluster.deploy(broken)
    wait_until(lambda: b"policy refused, version reloaded goes on" in cluster.log.read_bytes(), 30, "the refusal")
    assert route(cluster)["weights_version"] == "reloaded"
    cluster.deploy(cluster.config)
    wait_until(lambda: route(cluster)["weights_version"] == "1", 30, "the way back")


def test_a_classifier_is_reloaded_and_a_broken_one_refused_while_requests_go_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    wait_until(lambda: route(cluster)["classifier_version"] == "c1", 30, "the classifier")
    pids = cluster.replica_pids("Classifier")
    second, third = (make_artifact(tmp_path / name, SUCCESS, version=name) for name in ("c2", "c3"))
    (third / GRAPH).write_bytes((third / GRAPH).read_bytes()[:-1])
    with asking(cluster) as decisions:
        cluster.deploy(with_artifact(cluster.config, second))
        wait_until(lambda: decisions[-1]["classifier_version"] == "c2", 30, "the reload")
        cluster.deploy(with_artifact(cluster.config, third))
        refusal = b"classifier refused, version c2 goes on: " + bytes(third / GRAPH) + b": its sha256 is not that of"
        wait_until(lambda: refusal in cluster.log.read_bytes(), 30, "the refusal")
        after = len(decisions)
        wait_until(lambda: len(decisions) >= after + 20, 30, "more decisions")
    versions = [decision["classifier_version"] for decision in decisions if "classifier" not in decision["skipped"]]
    assert versions == sorted(versions)
    assert set(versions) == {"c1", "c2"}
    assert versions[-1] == "c2"
    assert {decision["skipped"].get("classifier") for decision in decisions} <= {None, "late"}  # the machine is busy
    assert cluster.replica_pids("Classifier") == pids
    shown = re.findall(r'llm_router_build_info{.*deployment="Classifier".*} 1', cluster.http.get(METRICS).text)
    assert ['classifier_version="c2"' in line for line in shown] == [True]
    cluster.deploy(cluster.config)
    wait_until(lambda: route(cluster)["classifier_version"] == "c1", 30, "the way back")


@contextmanager
def asking(cluster: Cluster) -> Iterator[list[dict[str, Any]]]:
    """Decisions, one after the other in a thread; each has to come with a 200."""
    decisions, done = [route(cluster)], threading.Event()

    def ask() -> None:
        while not done.is_set():
            decisions.append(route(cluster))

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield decisions
        finally:
            done.set()
        asked.result()
