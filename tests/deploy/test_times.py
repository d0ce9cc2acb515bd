"""Nothing on the way of a request gives it up before the router does."""

import re
from typing import Any

import yaml

from app.paths import project_path
from app.settings import Settings
from deployments.launch import DRAIN_WITHIN_S
from tests.deploy.compose import services
from tests.servers.nginx import CONFIG

REQUEST_S = Settings().request_timeout


def of_nginx(directive: str) -> list[int]:
    return [int(seconds) for seconds in re.findall(rf"\b{directive} (\d+)s;", CONFIG.read_text())]


def manifest(path: str) -> dict[str, Any]:
    found: dict[str, Any] = next(yaml.safe_load_all(project_path(path).read_text()))
    return found


def ingress() -> dict[str, Any]:
    router = next(
        one
        for one in yaml.safe_load(project_path("serve_config.yaml").read_text())["applications"]
        if one["name"] == "router"
    )
    found: dict[str, Any] = next(one for one in router["deployments"] if one["name"] == "Ingress")
    return found


def test_a_replica_then_the_router_then_its_container_wait_for_answers() -> None:
    grace = int(services()["router"]["stop_grace_period"].removesuffix("s"))
    assert REQUEST_S < ingress()["graceful_shutdown_timeout_s"] < DRAIN_WITHIN_S < grace


def test_nginx_waits_for_answers_and_its_container_for_nginx() -> None:
    (nginx,) = of_nginx("worker_shutdown_timeout")
    pod = manifest("kuberay/base/nginx.yaml")["spec"]["template"]["spec"]
    (before,) = re.findall(r"sleep (\d+)", " ".join(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]))
    assert REQUEST_S < nginx < int(services()["nginx"]["stop_grace_period"].removesuffix("s"))
    assert int(before) + nginx < pod["terminationGracePeriodSeconds"]


def test_an_old_cluster_outlives_what_nginx_still_sends_to_it() -> None:
    """Connections stay with the pod that they were made to."""
    (used,), idle = of_nginx("keepalive_time"), min(of_nginx("keepalive_timeout"))
    delay = manifest("kuberay/base/rayservice.yaml")["spec"]["rayClusterDeletionDelaySeconds"]
    assert used + idle + REQUEST_S <= delay
