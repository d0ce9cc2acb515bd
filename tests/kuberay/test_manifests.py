"""The shipped manifests, rendered, hold against every schema and rule."""

import tomllib
from pathlib import Path

import pytest
import yaml
from ray.serve._private import constants

from app.paths import project_path
from app.settings import Settings
from deployments import environment
from deployments.environment import QUICK_STOP
from deployments.kuberay import files, main
from tests.kuberay.operator_rules import operator_faults
from tests.kuberay.pod_rules import image_faults, pod_faults
from tests.kuberay.references import SECRETS, may_reach, reference_faults, service_parts
from tests.kuberay.render import Json, containers, one, templates
from tests.kuberay.schemas import schema_faults, settled
from tests.kuberay.serve_rules import serve_faults

OVERLAYS = ("cpu", "gpu", "incremental")


def test_generated_files_are_up_to_date() -> None:
    stale = [path for path, text in files().items() if project_path(path).read_text("utf-8") != text]
    assert stale == [], "run `python -m deployments.kuberay`"


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_fits_its_schema(rendered: dict[str, list[Json]], overlay: str) -> None:
    assert [fault for thing in rendered[overlay] for fault in schema_faults(thing)] == []


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kuberay_takes_them(rendered: dict[str, list[Json]], overlay: str) -> None:
    assert [fault for thing in rendered[overlay] for fault in operator_faults(settled(thing))] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_serve_takes_what_it_is_given(rendered: dict[str, list[Json]], overlay: str) -> None:
    assert serve_faults(rendered[overlay]) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_named_exists(rendered: dict[str, list[Json]], overlay: str) -> None:
    assert reference_faults(rendered[overlay]) == []
    assert {thing["metadata"].get("namespace", "llm-router") for thing in rendered[overlay]} == {"llm-router"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_have_no_privilege_and_their_images_the_version(rendered: dict[str, list[Json]], overlay: str) -> None:
    version = tomllib.loads(project_path("pyproject.toml").read_text())["project"]["version"]
    assert pod_faults(rendered[overlay]) == []
    assert image_faults(rendered[overlay], "cpu" if overlay == "cpu" else "gpu", version) == []


def test_the_readme_makes_every_secret() -> None:
    readme = project_path("kuberay/README.md").read_text()
    for name, keys in SECRETS.items():
        assert f"create secret generic {name}" in readme
        assert [key for key in keys if f"--from-literal={key}=" not in readme] == []


def test_images_of_others_are_those_of_compose(rendered: dict[str, list[Json]]) -> None:
    compose = yaml.safe_load(project_path("docker-compose.yaml").read_text())["services"]
    theirs = {name: compose[name]["image"] for name in ("nginx", "postgres", "redis", "chroma")}
    ours = {where.partition(" ")[2]: template for where, template in templates(rendered["cpu"])}
    assert {name: containers(ours[name])[0]["image"] for name in theirs} == theirs
    assert ours["redis-gcs"]["spec"]["containers"][0]["image"] == theirs["redis"]


def test_alerts_are_those_of_configs(rendered: dict[str, list[Json]]) -> None:
    assert one(rendered["cpu"], "PrometheusRule", "llm-router")["spec"] == yaml.safe_load(
        project_path("configs/alerts.yml").read_text()
    )


def test_the_environment_is_that_of_make_serve(rendered: dict[str, list[Json]]) -> None:
    given = one(rendered["cpu"], "ConfigMap", "router-")["data"]
    groups = [each for name, each in vars(environment).items() if name.isupper()]
    said = {name: value for group in groups for name, value in group.items()}
    assert {name for name in said if given.get(name) != said[name]} == set(QUICK_STOP)  # a pod has the time to drain
    hosts = given["TRUSTED_HOSTS"].split(",")
    for caller in ("router", "llm-router-head-svc", *_scraped(rendered["cpu"])):
        assert caller in hosts


def test_every_variable_of_the_environment_is_read_by_somebody(rendered: dict[str, list[Json]]) -> None:
    """A misspelt one would say nothing."""
    given = set(one(rendered["cpu"], "ConfigMap", "router-")["data"])
    ours = {name.upper() for name in Settings.model_fields} | {"LLM_ROUTER_CACHE"}
    of_ray = {name for name in given if name.startswith("RAY_SERVE_") and name in Path(constants.__file__).read_text()}
    elsewhere = {"HF_HUB_OFFLINE", "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", *environment.NO_TELEMETRY}
    assert given - ours - of_ray - elsewhere == set()


def _scraped(objects: list[Json]) -> list[str]:
    configs = one(objects, "ScrapeConfig", "llm-router")["spec"]["staticConfigs"]
    return [target.partition(":")[0] for config in configs for target in config["targets"]]


@pytest.mark.parametrize(
    ("source", "service", "port", "allowed"),
    [
        ("nginx", "router", 8000, True),
        ("router", "postgres", 5432, True),
        ("router", "redis", 6379, True),
        ("router", "chroma", 8000, True),
        ("head", "redis-gcs", 6379, True),
        ("head", "postgres", 5432, True),
        ("training", "postgres", 5432, True),
        ("training", "llm-router-head-svc", 8265, True),
        ("training", "llm-router-head-svc", 8000, True),
        ("nginx", "postgres", 5432, False),
        ("nginx", "llm-router-head-svc", 8265, False),
        ("llama", "postgres", 5432, False),
        ("router", "redis-gcs", 6379, False),
        ("schedule", "llm-router-head-svc", 8265, False),
        ("training", "redis-gcs", 6379, False),
        ("chroma", "router", 8000, False),
    ],
)
def test_who_may_reach_whom(
    rendered: dict[str, list[Json]], source: str, service: str, port: int, allowed: bool
) -> None:
    objects = rendered["gpu"]
    assert {may_reach(objects, source, part, port) for part in service_parts(objects, service)} == {allowed}


def test_a_change_of_settings_is_a_change_of_the_cluster(rendered: dict[str, list[Json]]) -> None:
    """By the hash in the ConfigMap's name, which every pod of the router and of training asks for."""
    config = one(rendered["cpu"], "ConfigMap", "router-")["metadata"]["name"]
    service = yaml.safe_dump(one(rendered["cpu"], "RayService", "llm-router"))
    assert service.count(config) == 4  # the head, its check, the router and Llama
    assert config in yaml.safe_dump(one(rendered["cpu"], "RayJob", "retrain"))


def test_check_names_what_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == ""
