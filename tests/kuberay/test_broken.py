"""Manifests that are broken on purpose, one way each: every one is caught, and the fault says what is wrong."""

import copy
import json
import tomllib
from functools import cache
from typing import Any

import pytest

from app.paths import project_path
from tests.kuberay.broken import BROKEN
from tests.kuberay.operator_rules import operator_faults
from tests.kuberay.pod_rules import image_faults, pod_faults
from tests.kuberay.references import reference_faults
from tests.kuberay.render import Json
from tests.kuberay.schemas import schema_faults, settled
from tests.kuberay.serve_rules import serve_faults

Objects = list[Json]


@cache
def _schema_faults(thing: str) -> tuple[str, ...]:
    return tuple(schema_faults(json.loads(thing)))


def faults(objects: Objects) -> list[str]:
    found = [fault for thing in objects for fault in _schema_faults(json.dumps(thing))]
    if found:  # the rules read what the schemas let pass
        return found
    version = tomllib.loads(project_path("pyproject.toml").read_text())["project"]["version"]
    found = [fault for thing in objects for fault in operator_faults(settled(thing))]
    found += [*reference_faults(objects), *pod_faults(objects), *image_faults(objects, "gpu", version)]
    return found + serve_faults(objects)


@pytest.mark.usefixtures("crds")
def test_nothing_is_wrong_unbroken(rendered: dict[str, Any]) -> None:
    assert faults(rendered["incremental"]) == []


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_is_caught(rendered: dict[str, Any], name: str) -> None:
    change, says = BROKEN[name]
    objects = copy.deepcopy(rendered["incremental"])
    change(objects)
    found = faults(objects)
    assert any(says in fault for fault in found), found
