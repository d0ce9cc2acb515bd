"""Rolling updates under load: a new policy, and new replicas of every deployment."""

import copy
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.cluster.faults.conftest import Faulty
from tests.cluster.load import load, streamed_text
from tests.cluster.report import SECONDS, last_for_a_while, record, time_until
from tests.fakes.echo import split

pytestmark = pytest.mark.cluster

LONG_STREAMS = 5
PIECES = 25 if SECONDS else 5  # with 25, longer than Serve waits when nobody tells it to


@contextmanager
def long_streams(faulty: Faulty, pause_s: float) -> Iterator[list[Future[str]]]:
    """Each takes PIECES * pause_s seconds at least, and has begun."""
    faulty.second.answer(pieces=PIECES, pause_s=pause_s)
    with ThreadPoolExecutor(LONG_STREAMS) as pool:
        began = [pool.submit(_stream, faulty.router.url, number) for number in range(LONG_STREAMS)]
        time_until(lambda: faulty.second.under_way() == LONG_STREAMS, "the streams")
        yield began
    faulty.second.answer()


def _stream(url: str, number: int) -> str:
    body = {"query": f"Stream line {number}", "user_id": "u", "model": "second", "stream": True, "cache": False}
    with httpx.stream("POST", f"{url}/api/v1/chat", json=body, timeout=60) as response:
        assert response.status_code == 200, response.read()
        return streamed_text(response)


def test_a_new_policy_costs_no_answer(faulty: Faulty) -> None:
    config = copy.deepcopy(faulty.router.config)
    for deployment in config["applications"][0]["deployments"][:2]:
        deployment["user_config"]["version"] = "2"
    with load([faulty.router.url], model="auto") as loaded:
        loaded.wait_for(10, "before")
        faulty.router.deploy(config)
        took_s = time_until(lambda: faulty.decision()["weights_version"] == "2", "the new policy")
        last_for_a_while()
        loaded.wait_for(10, "after")
    record("a new policy", loaded, took_s)
    assert loaded.failures == []
    loaded.check()


def test_new_replicas_of_every_deployment_cost_no_answer_and_no_stream(faulty: Faulty) -> None:
    config = copy.deepcopy(faulty.router.config)
    config["applications"][0]["args"]["max_body_mb"] += 1
    before = faulty.router.replica_pids("Ingress")
    with long_streams(faulty, 2.0) as streams, load([faulty.router.url], model="auto") as loaded:
        loaded.wait_for(10, "before")
        began = time.monotonic()
        faulty.router.deploy(config)
        took_s = time_until(lambda: _replaced(faulty, before), "the new replicas", since=began)
        last_for_a_while()
        loaded.wait_for(10, "after")
    texts = [stream.result() for stream in streams]
    record("new replicas of every deployment", loaded, took_s)
    assert [split(text)[0] for text in texts] == [f"Stream line {number}" for number in range(LONG_STREAMS)]
    assert loaded.failures == []
    loaded.check()


def _replaced(faulty: Faulty, before: list[int]) -> bool:
    application = faulty.router.applications().get("router", {})
    if application.get("status") != "RUNNING" or not faulty.whole():
        return False
    return not set(before) & set(faulty.router.replica_pids("Ingress"))
