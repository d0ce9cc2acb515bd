"""Llama's replica is killed, and its application redeployed, while the router answers with other models."""

import copy
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.cluster.load import load
from tests.cluster.report import SECONDS, record, time_until
from tests.fakes.echo import echoing
from tests.fakes.upstream import FakeUpstream
from tests.servers.router import Cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not SECONDS, reason="takes a minute each: run by `make faults`"),
]

PAUSE_S = 0.2


@dataclass
class Askers:
    """Who greets, which goes to Llama by a rule, and who names it: the statuses, models and refusals that they saw."""

    greeted: list[tuple[int, str | None]] = field(default_factory=list)
    named: list[httpx.Response] = field(default_factory=list)

    @property
    def now(self) -> str | None:
        """Who answered the last greeting."""
        return self.greeted[-1][1]


@contextmanager
def asking(cluster: Cluster) -> Iterator[Askers]:
    askers, stop = Askers(), threading.Event()

    def ask(http: httpx.Client, query: str, model: str) -> httpx.Response:
        body = {"query": query, "user_id": "u", "model": model, "cache": False}
        return http.post("/api/v1/chat", json=body)

    def run() -> None:
        with httpx.Client(base_url=cluster.url, timeout=180) as http:
            while not stop.wait(PAUSE_S):
                greeting = ask(http, "hello", "auto")
                askers.greeted.append((greeting.status_code, greeting.headers.get("x-llm-router-model")))
                if askers.now != "llama":
                    askers.named.append(ask(http, "hello", "llama"))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield askers
    finally:
        stop.set()
        thread.join()


def check(askers: Askers) -> None:
    """A greeting is always answered; who names Llama hears within the time limit that it is not there."""
    assert {status for status, _ in askers.greeted} == {200}
    assert len([model for _, model in askers.greeted if model != "llama"]) > 10  # nobody waits for Llama to come back
    for response in askers.named:
        assert response.status_code in (200, 502, 503), response.text
        if response.status_code != 200:
            assert response.json()["error"]["code"] in ("no_model_available", "upstream_unreachable"), response.text
        if response.status_code == 503:
            assert response.headers["retry-after"]


def kill(llama: Cluster) -> None:
    (pid,) = llama.replica_pids("Llama", "llama")
    os.kill(pid, signal.SIGKILL)


def redeploy(llama: Cluster) -> None:
    config = copy.deepcopy(llama.config)
    config["applications"][1]["args"]["max_queued_requests"] += 1
    llama.deploy(config)


@pytest.mark.parametrize(
    ("fault", "name"),
    [(kill, "Llama's replica killed"), (redeploy, "Llama's application redeployed")],
    ids=["killed", "redeployed"],
)
def test_others_answer_until_llama_is_back(
    llama: Cluster, upstream: FakeUpstream, fault: Callable[[Cluster], None], name: str
) -> None:
    with echoing(upstream), load([llama.url]) as loaded, asking(llama) as askers:
        time_until(lambda: askers.greeted and askers.now == "llama", "Llama")
        began = time.monotonic()
        fault(llama)
        time_until(lambda: askers.now != "llama", "another model")
        recovered_s = time_until(lambda: askers.now == "llama", "Llama again", since=began)
        loaded.wait_for(20, "after")
    record(name, loaded, recovered_s)
    assert loaded.failures == []
    loaded.check()
    check(askers)
