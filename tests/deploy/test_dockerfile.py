"""kuberay/Dockerfile: linted, and checked against the repository. No image is built here: there is no builder."""

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml

from app.paths import PROJECT, project_path
from app.settings import TO_BE_SAID, Settings
from deployments.environment import NO_TELEMETRY
from tests.deploy.dockerfile import DOCKERFILE, copied, ignored, lineage, stages, variables

TARGETS = ("cpu", "gpu")
CPU, GPU = project_path("configs/constraints.txt"), project_path("configs/constraints-gpu.txt")


def pins(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, _, version in (line.partition("==") for line in lines)}


def test_the_linter_finds_nothing() -> None:
    command = [str(Path(sys.executable).parent / "hadolint"), str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_copied_is_there_and_reaches_the_builder(target: str) -> None:
    sources = copied([*lineage(target), stages()["packages"]])
    assert {"app", "deployments", "train", "configs", "serve_config.yaml", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (PROJECT / source).exists(), source
        assert not ignored(source), source


@pytest.mark.parametrize(
    "path", [".env", ".venv", ".git", "data/llm-router.db", "tests/conftest.py", "docker-compose.yaml"]
)
def test_what_is_none_of_the_images_business_stays_out(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize("target", TARGETS)
def test_every_file_that_the_configuration_names_is_in_the_image(target: str) -> None:
    named = re.findall(r"\bconfigs/[\w./-]+", project_path("serve_config.yaml").read_text())
    assert named
    assert all((PROJECT / path).exists() and path.split("/")[0] in copied(lineage(target)) for path in named)


@pytest.mark.parametrize("target", TARGETS)
def test_variables_and_ports_are_those_of_the_router(target: str) -> None:
    line = lineage(target)
    given = variables(line)
    settings = {name: value for name, value in given.items() if name.lower() in Settings.model_fields}
    parsed = Settings.model_validate({name.lower(): value for name, value in settings.items()})
    assert settings.keys() == {"APP_ENV", "HOST", "PORT"}
    assert parsed.production
    assert NO_TELEMETRY.items() <= given.items()
    config = yaml.safe_load(project_path("serve_config.yaml").read_text())
    (port,) = [text for stage in line for text in stage.all("EXPOSE")]
    assert int(port) == parsed.port == config["http_options"]["port"]
    (health,) = [text for stage in line for text in stage.all("HEALTHCHECK")]
    assert "http://127.0.0.1:$PORT/api/v1/health" in health
    assert given["LLM_ROUTER_CACHE"] == "/opt/llm-router-models"


@pytest.mark.parametrize("models", ["baked", "mounted"])
@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_as_nobody_special_with_models_baked_or_mounted(target: str, models: str) -> None:
    line = lineage(target, models)
    users = [text for stage in reversed(line) for text in stage.all("USER")]
    assert users[-1] == "1000:1000"
    made = any("python -m app.artifacts" in text for stage in line for text in stage.all("RUN"))
    assert made == (models == "baked")
    assert "FROM base AS runtime" in DOCKERFILE.read_text()  # of packages only the finished environment is taken


def test_no_build_tools_stay_but_the_compiler_that_a_gpu_needs() -> None:
    installed = {
        target: " ".join(text for stage in lineage(target) for text in stage.all("RUN") if "apt-get install" in text)
        for target in TARGETS
    }
    assert not re.search(r"\b(gcc|g\+\+|make|cmake|build-essential|git)\b", installed["cpu"])
    assert re.findall(r"\b(gcc|g\+\+|make|cmake|build-essential|git)\b", installed["gpu"]) == ["gcc"]


def test_the_packages_are_those_of_make_install() -> None:
    (install,) = stages()["packages-cpu"].all("RUN")
    makefile = project_path("Makefile").read_text()
    torch = re.search(r"torch==\S+?(?=\")", install)
    assert torch
    assert f"TORCH_CPU := {torch[0]}" in makefile
    assert pins(CPU)["torch"] == torch[0].removeprefix("torch==")
    gone = re.search(r"uninstall -y ([a-z ]+)", install)
    assert gone
    assert f"uninstall -q -y {gone[1].strip()}" in makefile
    base = stages()["base"].base
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base)  # requires-python


def test_gpu_packages_are_pinned_too_in_the_versions_that_are_tested() -> None:
    cpu, gpu = pins(CPU), pins(GPU)
    direct = {re.split(r"[\[;=<> ]", one)[0].lower() for one in requires("llm-router") or () if "extra ==" not in one}
    assert len(direct) > 20
    assert {name: gpu.get(name) for name in direct} == {name: cpu[name] for name in direct}


def test_without_its_settings_the_container_ends_at_once_and_says_what_is_missing() -> None:
    """The image's own command and variables, in this environment."""
    line = lineage("cpu")
    (command,) = [text for stage in line for text in stage.all("CMD")]
    words = json.loads(command)
    assert words[0] == "python"
    given = {name: value for name, value in variables(line).items() if name in ("APP_ENV", "HOST", "PORT")}
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=PROJECT,
        env={**given, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        line for line in done.stderr.splitlines() if line.startswith("APP_ENV=production: ")
    ]
    for name in TO_BE_SAID:
        assert f"{name.upper()} is not set" in done.stderr
