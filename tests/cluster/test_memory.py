"""The memory of outcomes on the cluster that serves: fed by requests, filled by the command, asked by decisions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.paths import PROJECT
from tests.cluster.test_serve import CHAT, ROUTE
from tests.servers.process import wait_until
from tests.servers.router import Cluster

pytestmark = pytest.mark.cluster

QUERY = "How does photosynthesis work in the leaf of a plant?"
ASK = {"query": QUERY, "user_id": "botanist", "user_tier": "pro"}


def gcs_address(cluster: Cluster) -> str:
    """Others may run on this machine."""
    for process in psutil.Process(cluster.process.pid).children(recursive=True):
        options = dict(one.partition("=")[::2] for one in process.cmdline())
        if "--gcs-address" in options:
            return options["--gcs-address"]
    raise AssertionError("no process knows the address of the GCS server")


def remembered(cluster: Cluster) -> int:
    count: int = cluster.services()["memory"]["count"] or 0
    return count


def quality(cluster: Cluster, tenant: str) -> dict[str, float]:
    candidates = whole_decision(cluster, tenant)["candidates"]
    return {candidate["model"]: candidate["factors"]["quality"] for candidate in candidates}


def whole_decision(cluster: Cluster, tenant: str = "default", **changes: Any) -> dict[str, Any]:
    """With all stages: on a busy machine one may be late."""
    found: dict[str, Any] = {}

    def whole() -> bool:
        response = cluster.http.post(ROUTE, json={**ASK, **changes}, headers={"x-tenant-id": tenant})
        assert response.status_code == 200, response.text
        found.update(response.json())
        return found["skipped"] == {}

    wait_until(whole, 30, "a decision in which all stages took part")
    return found


def test_answers_are_remembered_rated_and_forgotten(cluster: Cluster) -> None:
    wait_until(lambda: cluster.services()["memory"]["count"] is not None, 30, "the memory")
    whole_decision(cluster)
    before = remembered(cluster)
    answer = cluster.http.post(CHAT, json={**ASK, "cache": False}).json()
    wait_until(lambda: remembered(cluster) > before, 30, "the memory of the answer")
    rating = {"request_id": answer["routing_metadata"]["request_id"], "rating": 5}
    assert cluster.http.post("/api/v1/feedback", json=rating).status_code == 200
    status = cluster.services()["memory"]
    assert (status["state"], status["last_error"], status["dropped"]) == ("ok", None, 0)
    assert cluster.metric("llm_router_recalled_queries_total") > 0
    forget = "/api/v1/users/botanist"
    wait_until(
        lambda: cluster.http.delete(forget).json()["memories"] == 1, 30, "the end of the only memory of the user"
    )


def test_the_memory_of_a_router_that_serves_is_filled_by_the_command(cluster: Cluster, tmp_path: Path) -> None:
    scores = {"medium": {"score": 1.0}, "strong": {"score": 0.0}}
    lines = [json.dumps({"query": f"{QUERY} ({number})", "outcomes": scores}) for number in range(40)]
    (tmp_path / "outcomes.jsonl").write_text("\n".join(lines))
    untaught = quality(cluster, "taught")
    files = ["--config", cluster.log.parent / "serve_config.yaml", "--outcomes", tmp_path / "outcomes.jsonl"]
    run = subprocess.run(
        [sys.executable, "-m", "train.build_index", "--live", "--tenant", "taught", *files],
        env={**os.environ, "RAY_ADDRESS": gcs_address(cluster)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "memories in the router that serves" in run.stdout
    taught = quality(cluster, "taught")
    assert taught["medium"] > untaught["medium"]
    assert taught["strong"] < untaught["strong"]
    assert quality(cluster, "other") == pytest.approx(untaught)
