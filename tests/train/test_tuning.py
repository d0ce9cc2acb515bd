"""What tuning aims at, the space it searches, and what it makes of a search; without Ray."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain import Tier
from app.errors import ConfigError
from app.paths import project_path
from app.routing.weights import Policy, Weights
from app.yaml_file import load_yaml, read_yaml
from tests.train.replayed import full, logged, policy
from train.errors import DataError
from train.replayed.policies import random
from train.replayed.policy_file import read_policy
from train.replayed.value import Value
from train.tuning import report
from train.tuning.arguments import read_arguments
from train.tuning.chosen import BEST, CHOSEN, LIVE, RANDOM, tuned
from train.tuning.folder import work_folder
from train.tuning.objective import Aims, standing
from train.tuning.space import Space
from train.tuning.task import Task, task

AIMS = read_yaml(project_path("configs/tuning.yaml"), Aims)
HASTY = Weights(quality=0.1, cost=0.9, latency=0, hint=0)


def given(queries: int = 1_000, **changes: Any) -> Task:
    return task(full(queries, seed=3), policy(**changes), AIMS, 7)


def value(quality: float, cost: float, latency: float = np.nan) -> Value:
    known = np.array([1.0, 1.0, float(not np.isnan(latency))])
    return Value(np.concatenate([np.nan_to_num([quality, cost, latency]), known])[None])


def test_quality_below_the_wanted_share_costs_more_than_it_saves() -> None:
    reference, live = value(0.8, 2.0), value(0.7, 1.0, 100)

    def objective(*figures: float) -> float:
        return standing(value(*figures), reference, live, AIMS, Tier.FREE).objective

    assert objective(0.76, 1.0) == pytest.approx(0.5)  # 95 % are wanted
    assert objective(0.8, 1.0) == pytest.approx(0.5)
    assert objective(0.752, 1.0) == pytest.approx(0.5 - 30 * 0.01)
    assert objective(0.76, 1.0, 110) == pytest.approx(0.5)
    assert objective(0.76, 1.0, 150) == pytest.approx(0.5 - 0.4)


@pytest.mark.parametrize("latency", [False, True])
def test_every_point_of_the_space_is_a_policy(latency: bool) -> None:
    live = Weights(quality=0.6, cost=0.25, latency=0.15, hint=0.1)
    space = Space(live, latency=latency)
    first = space.first(40)
    assert len(first) == 10
    assert space.weights(first[0]).model_dump() == pytest.approx(live.model_dump())
    assert any(point["floor"] for point in first)
    for ratio in (1e-3, 1.0, 1e3):
        found = space.weights({"floor": False, "cost": ratio, "latency": 0.5})
        assert found.cost / found.quality == pytest.approx(ratio, rel=1e-2)
        assert (found.latency == pytest.approx(0.15)) is not latency
    floor = space.weights({"floor": True, "quality_floor": 0.7})
    assert (floor.quality_floor, floor.quality) == (0.7, 0.6)
    assert len(space.first(1)) == 1
    assert space.weights(Space(floor, latency=latency).first(1)[0]).quality_floor == 0.7


def test_a_split_keeps_what_is_reported_apart() -> None:
    one = given()
    chose, reported = set(one.train.traffic.order), set(one.validation.traffic.order)
    assert not chose & reported
    assert len(chose) + len(reported) == 1_000
    assert max(reported) < AIMS.validation_share
    assert one.train.traffic.models[one.best] == "large"
    logs = full(1_000, seed=3)
    later = task(logged(logs, random(logs)), policy(), AIMS, 7)
    assert min(later.validation.traffic.order) >= max(later.train.traffic.order)


def test_the_best_point_is_taken_when_it_is_better_on_the_others_too() -> None:
    one = given(weights=dict.fromkeys(Tier, HASTY))
    ratios = np.geomspace(0.05, 20, 30)
    found = [(one.space.weights({"floor": False, "cost": float(ratio)}), 1.0) for ratio in ratios]
    result = tuned(one, found)
    assert result.better
    assert result.weights == result.best.weights
    assert result.best.reported.quality_kept > 0.95
    assert 0.1 < result.best.reported.cost_saved < 0.9
    chosen, live = result.points[CHOSEN], result.points[LIVE]
    assert chosen.figures["quality"].low < chosen.figures["quality"].value < chosen.figures["quality"].high
    assert chosen.standing.objective > live.standing.objective
    assert result.points[BEST].figures["cost_saved"].value == 0
    assert result.points[RANDOM].standing.quality < result.points[BEST].standing.quality
    by_cost = [(tried.chosen_by.cost_usd, tried.chosen_by.quality) for tried in result.front]
    assert by_cost == sorted(by_cost)
    assert len({quality for _, quality in by_cost}) == len(by_cost)
    assert "against the best single model (large)" in report.table(result)


def test_live_weights_are_kept_when_nothing_better_was_found() -> None:
    one = given()
    result = tuned(one, [(HASTY, 1.0)])
    assert not result.better
    assert result.weights == one.policy.weights[Tier.PRO]
    assert "kept as it is" in report.table(result)
    _, config = read_policy(project_path("serve_config.yaml"))
    assert report.policy(config, [result])["weights"] == config["weights"]


def test_a_tuned_policy_is_whole_and_named_by_its_content() -> None:
    _, config = read_policy(project_path("serve_config.yaml"))
    one = given(weights=dict.fromkeys(Tier, HASTY))
    result = tuned(one, [(Weights(quality=0.7, cost=0.3, latency=0, hint=0), 1.0)])
    content = report.policy(config, [result])
    assert Policy.read(content, "test").weights[Tier.PRO].quality == 0.7
    assert content["weights"]["free"] == config["weights"]["free"]
    assert content["version"] == report.policy({**config, "version": "other"}, [result])["version"]
    assert content["version"].startswith("tuned-")
    assert content["version"] != report.policy(config, [])["version"]
    json.dumps(content)


def test_too_little_to_tune_on() -> None:
    with pytest.raises(DataError, match="either takes 30; replay more"):
        given(60)
    unpriced = full(500)
    unpriced.outcomes.cost_usd[:] = np.nan  # type: ignore[union-attr]
    with pytest.raises(DataError, match=r"quality or cost of \d+ queries is not known"):
        task(unpriced, policy(), AIMS, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quality_kept": {"free": 0.95}}, "quality_kept is missing for enterprise, pro"),
        ({"quality_kept": {"free": 1.5, "pro": 1, "enterprise": 1}}, "quality_kept.free"),
        ({"quality_penalty": float("nan")}, "quality_penalty"),
        ({"validation_share": 0}, "validation_share"),
        ({"speed": 1}, "speed: unknown key; allowed here: latency_growth"),
    ],
)
def test_aims_that_make_no_sense(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    content: Any = load_yaml(project_path("configs/tuning.yaml"))
    path = tmp_path / "aims.json"
    path.write_text(json.dumps({**content, **changes}))
    with pytest.raises(ConfigError, match=message):
        read_yaml(path, Aims)


def test_a_work_folder_fits_its_job_and_keeps_no_secret(tmp_path: Path) -> None:
    arguments = ["--since", "7d", "--database", "postgresql://u:hunter2@db/r", "--output", str(tmp_path / "out")]
    work = work_folder(read_arguments(arguments))
    assert "hunter2" not in (work / "job.json").read_text()
    (work / "traffic.pickle").touch()
    assert work_folder(read_arguments(arguments)) == work
    assert (work / "traffic.pickle").exists()
    work_folder(read_arguments([*arguments, "--seed", "8"]))
    assert not (work / "traffic.pickle").exists()
