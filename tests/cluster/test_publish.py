"""Publish and rollback on a real cluster with requests going on: no request fails, nothing restarts."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from app.classifier.artifact import GRAPH
from app.paths import PROJECT
from app.storage.releases import Draft, Part
from tests.cluster.conftest import SUCCESS
from tests.cluster.test_reload import asking
from tests.cluster.test_serve import route
from tests.fakes.artifact import make_artifact, sign
from tests.servers.process import free_port, wait_until
from tests.servers.router import Cluster
from train.errors import PublishError
from train.publishing import push as pushing
from train.publishing.serve_api import ServeApi
from train.replayed.policy_file import read_policy

pytestmark = pytest.mark.cluster

POLICY = "/api/v1/policy"
DEPLOYMENTS = ("Ingress", "DecisionEngine", "FeatureExtractor", "Classifier", "Retriever", "MetricsKeeper")


def test_weights_are_published_and_rolled_back_while_requests_go_on(cluster: Cluster, tmp_path: Path) -> None:
    wait_until(lambda: route(cluster)["classifier_version"] == "c1", 30, "the classifier")
    replay = outcomes(tmp_path / "outcomes.jsonl")
    good = weights_file(cluster, tmp_path, "good", quality=1)
    cheap = weights_file(cluster, tmp_path, "cheap", cost=1)
    wait_until(lambda: llama_replicas(cluster), 60, "a replica of Llama")
    pids, llama = {name: cluster.replica_pids(name) for name in DEPLOYMENTS}, llama_replicas(cluster)
    with asking(cluster) as decisions:
        published = run(cluster, "train.publish", "--weights", good, "--replay", replay)
        first = released(published, "weights good is live, release {}; before it 1 was")
        assert route(cluster)["weights_version"] == "good"
        refused = run(cluster, "train.publish", "--weights", cheap, "--replay", replay)
        assert (refused.returncode, route(cluster)["weights_version"]) == (1, "good")
        assert "weights cheap is refused: its quality may be lower by more than 0.01: by exact" in refused.stderr
        forced = run(cluster, "train.publish", "--weights", cheap, "--replay", replay, "--force", "a trial")
        assert released(forced, "weights cheap is live, release {}, by force; before it good was") == first + 2
        for back in ("good", "1"):
            assert f"weights {back} is live again" in run(cluster, "train.rollback").stdout
            assert route(cluster)["weights_version"] == back
    by_engine = (decision["weights_version"] for decision in decisions if decision["cause"] == "scored")
    assert [version for version, _ in groupby(by_engine)] == ["1", "good", "cheap", "good", "1"]
    assert {name: cluster.replica_pids(name) for name in DEPLOYMENTS} == pids
    assert llama_replicas(cluster) == llama
    body = cluster.http.get(POLICY).json()
    assert body["weights"]["version"] == "1"
    newest = body["releases"]["weights"]
    assert [(one["sequence"], one["version"], one["state"]) for one in newest] == [
        (first + 4, "1", "live"),
        (first + 3, "good", "replaced"),
        (first + 2, "cheap", "replaced"),
        (first + 1, "cheap", "refused"),
        (first, "good", "replaced"),
    ]
    check_lineage(newest[4]["lineage"], newest[2]["lineage"])


def check_lineage(usual: dict[str, Any], forced: dict[str, Any]) -> None:
    everything = usual["comparison"]["sections"][0]
    assert (everything["of"], everything["queries"], everything["estimator"]) == ("all", 200, "exact")
    assert everything["change"]["quality"]["low"] >= 0
    assert set(usual["comparison"]["sources"]) == {"outcomes.jsonl", "c1"}
    assert set(usual["candidate"]) == {"good.json"}
    assert set(usual["replicas"]) == {"Ingress", "DecisionEngine"}
    assert (usual["refusal"], usual["forced"]) == (None, None)
    assert usual["code"]["version"]
    assert (forced["forced"], "lower by more than" in forced["refusal"]) == ("a trial", True)


def test_a_classifier_is_published_and_rolled_back(cluster: Cluster, tmp_path: Path) -> None:
    wait_until(lambda: route(cluster)["classifier_version"] == "c1", 30, "the classifier")
    replay = outcomes(tmp_path / "outcomes.jsonl")
    second = make_artifact(tmp_path / "c2", SUCCESS, version="c2")
    with asking(cluster) as decisions:
        published = run(cluster, "train.publish", "--artifact", second, "--replay", replay)
        first = released(published, "classifier c2 is live, release {}; before it c1 was")
        same = run(cluster, "train.publish", "--artifact", second, "--replay", replay)
        assert "is the folder that is live; a classifier is published from another one" in same.stderr
        back = run(cluster, "train.rollback", "--part", "classifier")
        assert released(back, "classifier c1 is live again, release {}; before it c2 was") == first + 1
    versions = {one["classifier_version"] for one in decisions if "classifier" not in one["skipped"]}
    assert versions == {"c1", "c2"}
    wait_until(lambda: route(cluster)["classifier_version"] == "c1", 30, "the way back")
    assert cluster.http.get(POLICY).json()["classifier"]["version"] == "c1"


def test_what_the_replicas_refuse_is_taken_back(cluster: Cluster, tmp_path: Path) -> None:
    """It passes every check but the last: its graph is no graph, and only a replica loads it."""
    broken = make_artifact(tmp_path / "c3", SUCCESS, version="c3")
    (broken / GRAPH).write_bytes(b"no graph")
    sign(broken)
    api = ServeApi(cluster.dashboard())
    live = pushing.found(api, Part.CLASSIFIER)
    draft = Draft("c3", {"artifact": str(broken)})
    with pytest.raises(PublishError, match=r"c3 did not become live: not every replica has it .*\nversion c1 is back"):
        pushing.push(api, Part.CLASSIFIER, draft, live, within_s=10)
    assert pushing.found(api, Part.CLASSIFIER) == live


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quality": -1}, "weights.free.quality: Input should be greater than or equal to 0"),
        ({"quality": float("nan")}, "weights.free.quality: Input should be a finite number"),
        ({"quality": 0, "cost": 0, "latency": 0}, "all zero; at least one must count"),
        (None, "weights are missing for free"),
    ],
)
def test_broken_weights_never_reach_the_cluster(
    cluster: Cluster, tmp_path: Path, change: dict[str, float] | None, words: str
) -> None:
    file = weights_file(cluster, tmp_path, "broken", quality=1)
    content = json.loads(file.read_text())
    if change is None:
        del content["weights"]["free"]
    else:
        content["weights"]["free"] |= change
    file.write_text(json.dumps(content))
    refused = run(cluster, "train.publish", "--weights", file, "--force", "even so")
    assert (refused.returncode, words in refused.stderr) == (1, True), refused.stderr
    assert route(cluster)["weights_version"] == "1"


def test_a_second_publish_at_once(cluster: Cluster, tmp_path: Path) -> None:
    """The first one is at it: it holds the claim."""
    file = weights_file(cluster, tmp_path, "second", quality=1)
    with closing(sqlite3.connect(database(cluster))) as connection, connection:
        claim = (
            "INSERT INTO release (part, sequence, version, state, content, lineage, created_at) "
            "VALUES ('weights', 1000, 'first', 'publishing', '{}', '{}', unixepoch() * 1000000)"
        )
        connection.execute(claim)
    try:
        refused = run(cluster, "train.publish", "--weights", file, "--force", "it is as good")
        assert "weights first is being published since" in refused.stderr
        assert (refused.returncode, route(cluster)["weights_version"]) == (1, "1")
    finally:
        with closing(sqlite3.connect(database(cluster))) as connection, connection:
            connection.execute("DELETE FROM release WHERE sequence = 1000")


def test_a_cluster_that_is_not_there(cluster: Cluster, tmp_path: Path) -> None:
    file = weights_file(cluster, tmp_path, "nowhere", quality=1)
    nowhere = f"http://127.0.0.1:{free_port()}"
    for module, options in (("train.publish", ("--weights", file)), ("train.rollback", ())):
        refused = run(cluster, module, *options, at=nowhere)
        expected = f"error: {nowhere}: a Ray dashboard does not answer there (["
        assert (refused.returncode, refused.stderr.startswith(expected)) == (1, True), refused.stderr
        assert "start the router, or name its cluster by --dashboard" in refused.stderr


def released(done: subprocess.CompletedProcess[str], words: str) -> int:
    """The number of the release: other tests publish on this cluster too."""
    found = re.search(re.escape(words).replace(r"\{\}", r"(\d+)"), done.stdout)
    assert found, f"{done.stdout}\n{done.stderr}"
    return int(found[1])


def outcomes(path: Path) -> Path:
    """Of every fourth query the cheap model knows the answer, the dear one of all."""
    usual = {"in_tokens": 20, "out_tokens": 50}
    lines = []
    for number in range(200):
        medium = {"score": float(number % 4 == 0), "cost_usd": 0.001, **usual}
        strong = {"score": 1.0, "cost_usd": 0.01, **usual}
        query = f"What is {number} and {number * number}?"
        lines.append(json.dumps({"query": query, "outcomes": {"medium": medium, "strong": strong}}))
    path.write_text("\n".join(lines))
    return path


def run(cluster: Cluster, module: str, *options: object, at: str | None = None) -> subprocess.CompletedProcess[str]:
    where = ("--dashboard", at or cluster.dashboard(), "--database", f"sqlite:///{database(cluster)}")
    command = [sys.executable, "-m", module, *map(str, options), *where]
    if module == "train.publish" and "--replay" in options:
        command += ["--models", "medium,strong"]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=240)


def llama_replicas(cluster: Cluster) -> list[str]:
    """Their ids, while it loads too."""
    deployments = cluster.applications()["llama"]["deployments"].values()
    return [replica["replica_id"] for deployment in deployments for replica in deployment["replicas"]]


def database(cluster: Cluster) -> Path:
    return cluster.log.parent / "router.db"


def weights_file(cluster: Cluster, folder: Path, version: str, **tier: float) -> Path:
    """The policy of the cluster with the same weights for all tiers."""
    _, given = read_policy(cluster.log.parent / "serve_config.yaml")
    weights = {"quality": 0.0, "cost": 0.0, "latency": 0.0, "hint": 0.0, **tier}
    content = {**given, "version": version, "weights": {name: dict(weights) for name in ("free", "pro", "enterprise")}}
    path = folder / f"{version}.json"
    path.write_text(json.dumps({**content, "exploration": {"share": 0.0, "margin": 0.0}}))
    return path
