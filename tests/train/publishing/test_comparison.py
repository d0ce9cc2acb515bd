"""A candidate beside what is live: on the router's own requests, and on files. The cluster's part is a dictionary."""

import argparse
import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.paths import project_path
from app.storage.releases import Draft, Part
from tests.fakes.artifact import make_artifact
from tests.train.publishing.test_deployed import DETAILS
from tests.train.test_recorded import record
from tests.train.test_replay import outcomes
from tests.train.test_replay_logs import call
from train.errors import DataError
from train.publishing.comparison import comparison
from train.publishing.deployed import Deployed
from train.publishing.gate import refusal
from train.replayed.policy_file import read_policy

SMALL_IS_BETTER, LARGE_IS_BETTER = {"small": 0.9, "large": 0.3}, {"small": 0.3, "large": 0.9}


def policy(version: str, **weights: float) -> dict[str, Any]:
    _, given = read_policy(project_path("serve_config.yaml"))
    tier = {"quality": 0.0, "cost": 0.0, "latency": 0.0, "hint": 0.0, **weights}
    return {**given, "version": version, "weights": dict.fromkeys(("free", "pro", "enterprise"), tier)}


QUALITY, COST = policy("quality", quality=1.0), policy("cost", cost=1.0)


def deployed(weights: dict[str, Any], artifact: Path) -> Deployed:
    details = copy.deepcopy(DETAILS)
    config = details["applications"]["router"]["deployed_app_config"]
    config["args"] = {}
    for deployment in config["deployments"]:
        classifier = deployment["name"] == "Classifier"
        deployment["user_config"] = {"artifact": str(artifact)} if classifier else weights
    return Deployed.of(details, "http://127.0.0.1:8265")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two models that were asked by chance: "large" was rated well, "small" badly."""
    url = f"sqlite:///{tmp_path_factory.mktemp('logs')}/router.db"
    calls = []
    for number in range(400):
        names = ("small", "large") if number % 2 else ("large", "small")
        factors = {"small": {"quality": 0.3, "cost": 1.0}, "large": {"quality": 0.8, "cost": 0.0}}
        candidates = [
            {"model": name, "score": 0.5, "factors": {**factors[name], "latency": 1.0}, "cost_usd": 0.1}
            for name in names
        ]
        rating = (2 if names[0] == "small" else 5) - (number % 8 < 2)
        given = {"candidates": candidates, "propensity": 0.5}
        calls.append(call(str(number), rating, given, model=names[0]))
    record(url, calls)
    return url


def options(**given: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"replay": None, "models": None, "since": timedelta(days=10_000), **given})


def test_weights_on_the_routers_own_requests(database: str, tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "classifier", LARGE_IS_BETTER)
    good = comparison(options(database=database), Part.WEIGHTS, Draft("quality", QUALITY), deployed(COST, artifact))
    assert (good.change.estimator, good.change.queries, good.change.warnings) == ("doubly_robust", 400, ())
    assert good.change.quality.value == pytest.approx(0.75, abs=0.02)
    assert refusal(good.change, 0.01) is None
    assert [one["of"] for one in good.document["sections"]] == ["all", "pro"]
    assert "candidate minus live" in good.text
    bad = comparison(options(database=database), Part.WEIGHTS, Draft("cost", COST), deployed(QUALITY, artifact))
    assert "its quality may be lower by more than 0.01" in str(refusal(bad.change, 0.01))


def test_a_classifier_on_the_texts_of_requests(database: str, tmp_path: Path) -> None:
    live, other, unknowing = (
        make_artifact(tmp_path / name, success, version=name)
        for name, success in (
            ("live", SMALL_IS_BETTER),
            ("other", LARGE_IS_BETTER),
            ("unknowing", {"stranger": 0.5}),
        )
    )
    draft = Draft("other", {"artifact": str(other)})
    better = comparison(options(database=database), Part.CLASSIFIER, draft, deployed(QUALITY, live))
    assert better.change.quality.value == pytest.approx(0.75, abs=0.02)
    same = comparison(options(database=database), Part.CLASSIFIER, draft, deployed(QUALITY, unknowing))
    assert same.change.quality.value == pytest.approx(0, abs=0.02)  # what was logged prefers "large" as well


def test_on_files_with_the_models_of_the_catalogue(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "classifier", LARGE_IS_BETTER)
    file, live = outcomes(tmp_path / "outcomes.jsonl"), deployed(COST, artifact)
    draft = Draft("quality", QUALITY)
    with pytest.raises(DataError, match="0 of those that the catalogue has is in every file"):
        comparison(options(replay=[file]), Part.WEIGHTS, draft, live)
    named = comparison(options(replay=[file], models=["small", "large"]), Part.WEIGHTS, draft, live)
    assert (named.change.estimator, named.change.queries) == ("exact", 40)
    assert named.change.quality.value == pytest.approx(0.75)
    assert set(named.document["sources"]) == {"outcomes.jsonl", "fake-1"}
