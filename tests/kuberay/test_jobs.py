"""What the scheduled jobs run are commands of this project, with arguments that these commands have."""

import argparse
import shlex
from collections.abc import Callable, Sequence

import pytest

from deployments.rayjob import run_of
from tests.kuberay.operator_rules import operator_faults
from tests.kuberay.references import SECRETS, service_parts
from tests.kuberay.render import Json, one
from tests.kuberay.schemas import settled
from train import publish
from train.arguments import read_arguments as of_training
from train.tuning.arguments import read_arguments as of_tuning

PARSERS: dict[str, Callable[[Sequence[str]], argparse.Namespace]] = {
    "train.train_classifier": of_training,
    "train.tune_weights": of_tuning,
    "train.publish": lambda given: publish._parser().parse_args(given),
}


def commands(entrypoint: str) -> list[list[str]]:
    words = shlex.split(entrypoint.replace("$(date +%Y%m%d)", "20261124"))
    found: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            found.append([])
        else:
            found[-1].append(word)
    return found


@pytest.mark.parametrize(("name", "trains"), [("retrain", "train.train_classifier"), ("tune", "train.tune_weights")])
def test_a_job_learns_then_publishes_what_it_wrote(rendered: dict[str, list[Json]], name: str, trains: str) -> None:
    objects = rendered["cpu"]
    spec = one(objects, "RayJob", name)["spec"]
    place, learns, publishes = commands(spec["entrypoint"])
    assert place == ["cd", "/opt/llm-router"]
    assert learns[:3] == ["python", "-m", trains]
    assert publishes[:3] == ["python", "-m", "train.publish"]
    learnt, published = PARSERS[trains](learns[3:]), PARSERS["train.publish"](publishes[3:])
    assert str(published.artifact or published.weights).startswith(str(learnt.output))
    host = published.dashboard.removeprefix("http://").removesuffix(":8265")
    assert service_parts(objects, host) == ("head",)
    pod = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert str(learnt.output.parent) in mounts
    booked = getattr(learnt, "workers", 0) or learnt.concurrent * learnt.cpus_per_trial
    assert booked <= float(spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"])


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("name", ["retrain", "tune"])
def test_the_schedule_starts_a_run_that_kuberay_takes(rendered: dict[str, list[Json]], name: str) -> None:
    objects = rendered["cpu"]
    template = one(objects, "CronJob", name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert template["containers"][0]["command"] == ["python", "-m", "deployments.rayjob", name]
    run = run_of(one(objects, "RayJob", name))
    run["metadata"]["name"] = run["metadata"]["generateName"] + "x7k2p"
    assert operator_faults(settled(run)) == []
    assert "suspend" not in run["spec"]


def test_the_schedules_account_may_do_no_more(rendered: dict[str, list[Json]]) -> None:
    rules = one(rendered["cpu"], "Role", "llm-router-schedule")["rules"]
    assert [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rules] == [
        (["rayjobs"], ["retrain", "tune"], ["get"]),
        (["rayjobs"], None, ["create"]),
    ]


def test_both_clusters_have_the_token_that_publishing_needs(rendered: dict[str, list[Json]]) -> None:
    objects = rendered["cpu"]
    serving = one(objects, "RayService", "llm-router")["spec"]["rayClusterConfig"]["authOptions"]
    training = one(objects, "RayJob", "retrain")["spec"]["rayClusterSpec"]["authOptions"]
    assert serving == training == {"mode": "token", "secretName": "llm-router-ray-token"}
    assert SECRETS["llm-router-ray-token"] == {"auth_token"}
