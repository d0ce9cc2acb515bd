"""The whole loop on a cluster with requests going on: answers and ratings come in, everything learns from them, and
what was learnt is published. Choices change as the ratings say, no request fails, and what is worse is refused.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.paths import PROJECT
from tests.cluster.test_memory import gcs_address, whole_decision
from tests.cluster.test_publish import database
from tests.cluster.test_serve import CHAT
from tests.fakes.artifact import make_artifact
from tests.servers.process import wait_until
from tests.servers.router import Cluster

pytestmark = pytest.mark.cluster

COOKING = [
    f"How long should I {how} {what} for dinner?"
    for how, what in product(
        ("roast", "fry", "boil", "bake", "steam", "grill", "braise", "stew"),
        (
            "carrots",
            "salmon",
            "potatoes",
            "chicken",
            "mushrooms",
            "lamb",
            "rice",
            "aubergine",
            "beans",
            "leeks",
            "duck",
        ),
    )
]
STARS = [
    f"How {measure} is the {kind} {name} as seen by astronomers?"
    for measure, kind, name in product(
        ("distant", "massive", "bright", "old"),
        ("star", "galaxy", "nebula"),
        ("Vega", "Andromeda", "Orion", "Rigel", "Sirius", "Centauri", "Altair", "Lyra"),
    )
]
GOOD = {"medium": COOKING, "strong": STARS}
NEW = {
    "medium": ["How long should I roast beetroot for dinner?", "How long should I steam broccoli for dinner?"],
    "strong": ["How bright is the star Antares as seen by astronomers?", "How massive is the galaxy Triangulum?"],
}
CPUS = "0.2"  # two cores hold a Llama and a router already
MODELS = ("--models", "medium,strong")


def test_what_users_say_decides_where_the_next_query_goes(cluster: Cluster, tmp_path: Path) -> None:
    wait_until(lambda: cluster.services()["memory"]["count"] is not None, 30, "the memory")
    before = policy(cluster)
    with traffic(cluster) as asked:
        rate_answers(cluster)
        outcomes, learnt, tuned = tmp_path / "outcomes.jsonl", tmp_path / "learnt", tmp_path / "tuned"
        stored = ("--database", f"sqlite:///{database(cluster)}")
        run(cluster, "app.storage.export", "--since", "1h", "--output", outcomes)
        train = ("--min-outcomes", 50, "--cpus-per-worker", CPUS)
        run(cluster, "train.train_classifier", *stored, "--output", learnt, *train)
        config = cluster.log.parent / "serve_config.yaml"
        run(cluster, "train.build_index", "--live", *stored, "--config", config)
        search = ("--trials", 12, "--concurrent", 1, "--cpus-per-trial", CPUS, "--policy", config)
        replay = ("--replay", outcomes, *MODELS)
        run(cluster, "train.tune_weights", *replay, "--artifact", learnt, *search, "--output", tuned)
        where = ("--dashboard", cluster.dashboard(), *stored)
        run(cluster, "train.publish", "--artifact", learnt, *replay, *where)
        run(cluster, "train.publish", "--weights", tuned / "weights.json", *replay, *where, "--max-loss", 0.02)
        assert chosen(cluster) == {model: [model] * len(queries) for model, queries in NEW.items()}
        published = policy(cluster)
        worse = make_artifact(tmp_path / "worse", {"medium": 0.9, "strong": 0.1}, version="worse")
        refused = run(cluster, "train.publish", "--artifact", worse, *replay, *where, fails=True)
        assert "classifier worse is refused: its quality may be lower" in refused.stderr
        assert policy(cluster) == published
        for part in ("weights", "classifier"):
            run(cluster, "train.rollback", "--part", part, *where)
    assert published[0] == json.loads((tuned / "weights.json").read_text())["version"]
    assert published[1].startswith("learnt-")
    assert policy(cluster) == before
    assert len(asked) > 100


def rate_answers(cluster: Cluster) -> None:
    """Each query is answered by both models, and rated: each knows one of the two subjects."""

    def rate(at: tuple[str, str]) -> None:
        query, model = at
        body = {"query": query, "user_id": "critic", "model": model, "cache": False}
        answer = cluster.http.post(CHAT, json=body)
        assert answer.status_code == 200, answer.text
        rating = 5 if query in GOOD[model] else 1
        told = {"request_id": answer.json()["routing_metadata"]["request_id"], "rating": rating}
        wait_until(
            lambda: cluster.http.post("/api/v1/feedback", json=told).status_code == 200,
            30,
            "the rating: on a busy machine a decision may be in the spool at first",
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rate, product([*COOKING, *STARS], GOOD)))


def chosen(cluster: Cluster) -> dict[str, list[str]]:
    """The model of each new query with the best score, whether or not a near-tie is tried instead."""
    found = {}
    for model, queries in NEW.items():
        decisions = [decision(cluster, query) for query in queries]
        found[model] = [max(one["candidates"], key=_score)["model"] for one in decisions]
        for one in decisions:
            assert one["memory"]["neighbours"] > 0
            assert one["memory"]["success"][model] > 0.5
    return found


def _score(candidate: dict[str, Any]) -> float:
    score: float = candidate["score"]
    return score


def decision(cluster: Cluster, query: str) -> dict[str, Any]:
    return whole_decision(cluster, query=query, user_tier="enterprise")


def policy(cluster: Cluster) -> tuple[str, str]:
    one = decision(cluster, NEW["medium"][0])
    return one["weights_version"], one["classifier_version"]


@contextmanager
def traffic(cluster: Cluster) -> Iterator[list[int]]:
    """Answers, one after the other in a thread; each has to come with a 200."""
    asked: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.1):
            body = {"query": f"Say {len(asked)} in words, please.", "user_id": "u", "cache": False, "model": "medium"}
            if len(asked) % 2:
                body |= {"model": "auto", "query": f"Why is {len(asked)} not a prime number?", "user_tier": "pro"}
            response = cluster.http.post(CHAT, json=body)
            assert response.status_code == 200, response.text
            asked.append(response.status_code)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield asked
        finally:
            done.set()
        asking.result()


def run(cluster: Cluster, module: str, *options: object, fails: bool = False) -> subprocess.CompletedProcess[str]:
    variables = {"RAY_ADDRESS": gcs_address(cluster), "DATABASE_URL": f"sqlite:///{database(cluster)}"}
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, options)],
        env={**os.environ, **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode != 0) == fails, f"{module}: {done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    return done
