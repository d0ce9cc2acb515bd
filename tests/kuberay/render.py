"""The manifests as kustomize renders them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from app.paths import PROJECT, project_path

Json = dict[str, Any]
KUSTOMIZE = (("kustomize", "build"), ("kubectl", "kustomize"))


def kustomize() -> list[str] | None:
    """The command that renders a folder, or None where neither program is installed."""
    for program, *arguments in KUSTOMIZE:
        if found := shutil.which(program, path=f"{PROJECT / '.venv/bin'}:{os.environ.get('PATH', '')}"):
            return [found, *arguments]
    return None


def render(command: list[str], folder: str | Path) -> list[Json]:
    done = subprocess.run([*command, str(project_path(str(folder)))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", f"kustomize warns: {done.stderr}"
    return [one for one in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if one]


def one(objects: list[Json], kind: str, name: str) -> Json:
    return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name))


def name_of(thing: Json) -> str:
    return f"{thing['kind']} {thing['metadata'].get('name', '?')}"


def templates(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Every pod template, with where it is."""
    for thing in objects:
        where, spec = name_of(thing), thing.get("spec", {})
        if thing["kind"] in ("Deployment", "StatefulSet"):
            yield where, spec["template"]
        elif thing["kind"] == "CronJob":
            yield where, spec["jobTemplate"]["spec"]["template"]
        elif (cluster := spec.get("rayClusterConfig") or spec.get("rayClusterSpec")) is not None:
            yield f"{where} head", cluster["headGroupSpec"]["template"]
            for group in cluster.get("workerGroupSpecs", []):
                yield f"{where} {group['groupName']}", group["template"]


def containers(template: Json) -> list[Json]:
    spec = template["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]
