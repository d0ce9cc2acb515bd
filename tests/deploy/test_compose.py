"""docker-compose.yaml: read by a strict parser of the Compose specification, and checked against the repository."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from dotenv import dotenv_values

from app.paths import PROJECT, project_path
from app.settings import Settings, check_production, read_settings
from app.storage.url import parse_url
from tests.deploy.compose import FILE, NEEDED, VARIABLE, Missing, compose, services
from tests.deploy.dockerfile import DOCKERFILE, lineage, stages, variables
from tests.servers.nginx import CONFIG

FOR_COMPOSE_ALONE = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "NGINX_PORT"}
Break = Callable[[dict[str, Any]], object]


def fault(content: dict[str, Any]) -> str:
    """What the parser says against it; empty when nothing."""
    try:
        PyCompose.from_yaml(yaml.safe_dump(content)).validate()
    except ValueError as error:
        return str(error)
    return ""


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """By target, the source."""
    found = {}
    for volume in service.get("volumes", []):
        source, target = volume.split(":")[:2]
        found[target] = source
    return found


def test_the_specification_is_kept() -> None:
    assert fault(compose()) == ""


@pytest.mark.parametrize(
    ("break_", "word"),
    [
        (lambda it: it["nginx"].update(readonly=True), "readonly"),
        (lambda it: it["nginx"].update(networks=["edgy"]), "edgy"),
        (lambda it: it["nginx"]["depends_on"]["router"].update(condition="service_fine"), "service_fine"),
        (lambda it: it["grafana"].update(mem_limit="much"), "much"),
        (lambda it: it["nginx"].update(ports=["http:8080"]), "ports"),
        (lambda it: it["redis"]["healthcheck"].update(interval="soon"), "interval"),
    ],
)
def test_the_parser_would_find_a_fault(break_: Break, word: str) -> None:
    broken = copy.deepcopy(compose())
    break_(broken["services"])
    assert word in fault(broken)


@pytest.mark.parametrize("name", NEEDED)
def test_a_variable_that_is_missing_stops_it_with_its_name(name: str) -> None:
    with pytest.raises(Missing, match=f"^{name}: .{{10,}}"):
        compose({**NEEDED, name: ""})


def test_the_router_gets_settings_that_it_takes() -> None:
    given = services()["router"]["environment"]
    settings = read_settings({**variables(lineage("cpu")), **{name: str(value) for name, value in given.items()}})
    check_production(settings)
    assert settings.trusted_hosts == ("llm.example.com", "router", "127.0.0.1")
    assert parse_url(settings.database_url).host == "postgres"
    keys = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"}
    in_the_image = {"HOST", "PORT"}
    assert {name.upper() for name in Settings.model_fields} - {"APP_NAME"} == (given.keys() - keys) | in_the_image


def test_defaults_are_those_of_the_settings_and_of_the_example() -> None:
    plain, example = Settings(), dotenv_values(PROJECT / ".env.example")
    for name, kind, value in {match.groups() for match in VARIABLE.finditer(FILE.read_text()) if match[1]}:
        assert name in example, f".env.example does not have {name}"
        if kind == "-" and name not in FOR_COMPOSE_ALONE and value:
            assert getattr(Settings.model_validate({name.lower(): value}), name.lower()) == getattr(plain, name.lower())
    assert example.keys() >= FOR_COMPOSE_ALONE


def test_what_is_mounted_is_there() -> None:
    for name, service in services().items():
        for source in mounts(service).values():
            if source.startswith("./"):
                assert project_path(source).is_file(), f"{name}: {source}"
            else:
                assert source in compose()["volumes"], f"{name}: {source}"
    commented = re.findall(r"# - \./(configs/\S+?):", FILE.read_text())
    assert commented == ["configs/nginx-tls.conf"]
    assert project_path(commented[0]).is_file()


def test_only_nginx_is_published_and_grafana_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published == {"nginx": ["8080:8080"], "grafana": ["127.0.0.1:3000:3000"]}
    assert "listen 8080;" in CONFIG.read_text()


def test_names_and_ports_agree_with_the_files_that_are_mounted() -> None:
    assert "server router:8000;" in CONFIG.read_text()
    prometheus = yaml.safe_load(project_path("configs/prometheus.yml").read_text())
    job = prometheus["scrape_configs"][0]
    assert job["static_configs"] == [{"targets": ["router:8000"]}]
    folder, _, file = job["authorization"]["credentials_file"].rpartition("/")
    assert (
        mounts(services()["prometheus"])[folder]
        == "keys"
        == mounts(services()["prometheus-key"])["/opt/llm-router/data"]
    )
    assert f"mv data/new data/{file};" in services()["prometheus-key"]["command"][2]
    assert prometheus["rule_files"] == ["alerts.yml"]
    assert services()["grafana"]["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
    dashboards = yaml.safe_load(project_path("configs/grafana/dashboards.yml").read_text())["providers"][0]
    assert f"{dashboards['options']['path']}/dashboard.json" in mounts(services()["grafana"])


def test_the_image_is_built_from_the_dockerfile() -> None:
    build = services()["router"]["build"]
    assert project_path(build["dockerfile"]) == DOCKERFILE
    assert build["target"] in stages()
    assert f"-t {services()['router']['image']} " in DOCKERFILE.read_text()
    assert services()["router"]["image"] == services()["prometheus-key"]["image"]
    (workdir,) = [text for stage in lineage("cpu") for text in stage.all("WORKDIR")]
    assert f"{workdir}/data" in mounts(services()["router"])


def test_every_tag_is_pinned_and_is_that_of_the_manifests() -> None:
    images = {
        service["image"].rpartition(":")[0]: service["image"].rpartition(":")[2] for service in services().values()
    }
    assert all(re.search(r"\d+\.\d+", tag) for tag in images.values()), images
    assert f"chromadb=={images['chromadb/chroma']}\n" in project_path("configs/constraints.txt").read_text()
    there = {}
    for file in (*project_path("kuberay").rglob("kustomization.yaml"),):
        for image in yaml.safe_load(file.read_text()).get("images", []):
            there[image.get("newName", image["name"])] = str(image["newTag"])
    assert {
        name: tag for name, tag in there.items() if name in images and name != "llm-router"
    }.items() <= images.items()


def test_every_service_is_bounded_checked_and_starts_after_what_it_needs() -> None:
    for name, service in services().items():
        if name == "prometheus-key":  # runs once
            continue
        assert service["restart"] == "unless-stopped", name
        assert "mem_limit" in service, name
        assert "healthcheck" in service or name == "router", f"{name}; the router's is in its image"
        for needed, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert healthy or needed == "prometheus-key", f"{name}: {needed}"
    for name in ("router", "nginx", "prometheus", "prometheus-key", "grafana"):
        assert services()[name]["cap_drop"] == ["ALL"], name
    assert compose()["networks"]["stores"] == {"internal": True}
    assert services()["router"]["shm_size"] == "2gb"
