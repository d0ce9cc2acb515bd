"""A real Prometheus scrapes a router in production: an alert fires and ends, and every panel has data."""

import json
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.paths import project_path
from tests.cluster.production import Production
from tests.fakes.upstream import FakeUpstream, answer
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.cluster

CHAT, IN_TIME_S = "/api/v1/chat", 60.0
ASK: dict[str, Any] = {"query": "How do vaccines train the immune system?", "user_id": "u"}
# What this traffic cannot show, by a word of the query.
ABSENT = {
    "llm_router_retries_refused_total": "no model fails so often that its budget is spent",
    "llm_router_model_busy_total": "no model of the catalogue has max_concurrent_requests",
    "llm_router_unknown_cost_requests_total": "all models have prices",
}


def queries() -> Iterator[tuple[str, str]]:
    """Panel and query."""
    for panel in json.loads(project_path("configs/grafana/dashboard.json").read_text())["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))


def ask(production: Production) -> None:
    """One of each: from the cache, scored, streamed, refused."""
    with production.http("pro") as http:
        for more in ({}, {}, {"cache": False}, {"cache": False, "stream": True}):
            assert http.post(CHAT, json={**ASK, **more}).status_code == 200
        assert http.post(CHAT, json={**ASK, "model": "nobody"}).status_code == 404
    assert production.cluster.http.post(CHAT, json=ASK).status_code == 401


def fall_back(production: Production, upstream: FakeUpstream) -> None:
    """One request that the second model answers. More of them would open the breaker of the first."""
    upstream.behaviours.extend([answer({}, 500), answer({}, 500)])  # at first, and when tried again
    with production.http("pro") as http:
        assert http.post(CHAT, json={**ASK, "cache": False}).status_code == 200


def without_data(prometheus: Prometheus) -> list[tuple[str, str]]:
    """Panels, and their queries that give no number."""

    def has_data(query: str) -> bool:
        return any(isfinite(float(series["value"][1])) for series in prometheus.query(query))

    return [(panel, query) for panel, query in queries() if not has_data(query)]


def test_prometheus_sees_the_router_and_says_when_it_does_not(
    tmp_path: Path, production: Production, upstream: FakeUpstream
) -> None:
    target = urlsplit(production.url).netloc
    with running_prometheus(tmp_path, target, production.keys["pro"], at_once="RouterDown") as prometheus:

        def router_down() -> dict[str, Any] | None:
            alert = prometheus.firing().get("RouterDown")
            return alert if alert and "instance" in alert["labels"] else None  # else it has not looked yet

        wait_until(router_down, IN_TIME_S, "the alert: metrics are for admins, and this key is none's")
        alert = router_down()
        assert alert
        assert alert["labels"]["severity"] == "critical"
        assert alert["annotations"]["runbook"] == "README.md#router-down"

        prometheus.key.write_text(production.keys["admin"] + "\n")  # as `app.keys create` prints it
        wait_until(lambda: not router_down(), IN_TIME_S, "the end of the alert")

        def all_there() -> bool:
            ask(production)
            return all(any(name in query for name in ABSENT) for _, query in without_data(prometheus))

        fall_back(production, upstream)
        try:
            wait_until(all_there, IN_TIME_S, "data of every panel")
        except AssertionError as error:
            error.add_note(f"without: {without_data(prometheus)}")
            raise
        missing = without_data(prometheus)
        for name, reason in ABSENT.items():
            assert any(name in query for _, query in missing), f"{name} is there after all: {reason}"
        assert prometheus.firing().keys() <= {"RouterDown"}  # that one at once, when a scrape takes longer than 1 s
