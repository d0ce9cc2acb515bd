"""Validation of rendered objects as strict as an API server that refuses unknown fields.

Core kinds by kubernetes-validate's schemas, Ray's by KubeRay's CRDs, the Prometheus operator's by models that were made
from its CRDs (cloudcoil). A kind without a schema is a fault.
"""

import copy
import importlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from app.paths import PROJECT
from tests.kuberay.render import Json, name_of

VERSIONS = ("1.32.0", "1.37.0")  # the oldest and the newest cluster that the manifests are for
FOLDER = Path(os.environ.get("KUBERAY_CRDS") or PROJECT.parent / "shared/kuberay-crds")
RAY = {kind: FOLDER / f"ray.io_{kind.lower()}s.yaml" for kind in ("RayService", "RayJob")}
CRDS = list(RAY.values())
MONITORING = {"PodMonitor": "v1", "PrometheusRule": "v1", "ScrapeConfig": "v1alpha1"}


def schema_faults(thing: Json) -> list[str]:
    group = thing["apiVersion"].rpartition("/")[0]
    try:
        if group == "ray.io":
            faults = _ray_faults(thing)
        elif group == "monitoring.coreos.com":
            faults = _errors(_monitoring(thing["kind"]), thing)
        else:
            faults = [fault for version in VERSIONS for fault in _errors(_core(_core_name(thing), version), thing)]
    except LookupError:
        return [f"{name_of(thing)}: there is no schema for {thing['apiVersion']} {thing['kind']}"]
    return [f"{name_of(thing)}: {fault}" for fault in dict.fromkeys(faults)]


def settled(thing: Json) -> Json:
    """As the API server stores it: nulls are dropped where they are not allowed, then defaults are filled in."""
    found: Json = _settled(thing, _crd(thing["kind"])) if thing["apiVersion"] == "ray.io/v1" else thing
    return found


def _ray_faults(thing: Json) -> list[str]:
    schema, stored = _crd(thing["kind"]), settled(thing)
    metadata = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": thing["metadata"]}
    faults = _errors(Draft202012Validator(_closed(schema)), stored)
    faults += _errors(_core("configmap-v1", VERSIONS[0]), metadata)
    return [*faults, *_double(stored, schema, "")]


def _errors(validator: Draft202012Validator, thing: Json) -> list[str]:
    return [f"{'.'.join(map(str, error.path))}: {error.message[:300]}" for error in validator.iter_errors(thing)]


def _core_name(thing: Json) -> str:
    group, _, version = thing["apiVersion"].rpartition("/")
    return f"{thing['kind'].lower()}-{group.partition('.')[0] + '-' if group else ''}{version}"


@cache
def _definitions(version: str) -> Resource[Any]:
    return Resource.from_contents(schema_contents(f"{_folder(version)}/_definitions.json", version))


def _folder(version: str) -> str:
    return f"kubernetes-json-schema/v{version}-local-strict"


@cache
def _core(name: str, version: str) -> Draft202012Validator:
    """Raises LookupError for a kind that Kubernetes has not."""
    try:
        schema = schema_contents(f"{_folder(version)}/{name}.json", version)
    except FileNotFoundError as error:
        raise LookupError(name) from error
    registry: Registry[Any] = _definitions(version) @ Registry()
    return Draft202012Validator(schema, registry=registry)


@cache
def _crd(kind: str) -> Json:
    """Raises LookupError for a kind whose CRD is not among ours."""
    document = yaml.load(RAY[kind].read_text(), Loader=yaml.CSafeLoader)
    versions = {one["name"]: one["schema"]["openAPIV3Schema"] for one in document["spec"]["versions"]}
    schema: Json = versions["v1"]
    return schema


@cache
def _monitoring(kind: str) -> Draft202012Validator:

    module = importlib.import_module(f"cloudcoil.models.prometheus_operator.{MONITORING[kind]}")
    return Draft202012Validator(_closed(getattr(module, kind).model_json_schema(by_alias=True)))


def _closed(schema: Any) -> Any:
    """Refuses unknown fields; says int-or-string and nullable as JSON Schema does."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key not in ("format", "default")}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    if schema.get("nullable"):
        closed = {"anyOf": [closed, {"type": "null"}]}
    return closed


def _settled(value: Any, schema: Json) -> Any:
    if isinstance(value, list):
        return [_settled(one, schema.get("items", {})) for one in value]
    if not isinstance(value, dict):
        return value
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    found = {}
    for key, inner in value.items():
        known = properties.get(key) or (rest if isinstance(rest, dict) else {})
        if inner is not None or known.get("nullable") or not known:
            found[key] = _settled(inner, known)
    for key, known in properties.items():
        if key not in found and "default" in known:
            found[key] = copy.deepcopy(known["default"])
    return found


def _double(value: Any, schema: Json, place: str) -> Iterator[str]:
    """Entries of a list that are the same by the keys that have to tell them apart."""
    if isinstance(value, dict):
        rest = schema.get("additionalProperties")
        for key, inner in value.items():
            known = schema.get("properties", {}).get(key) or (rest if isinstance(rest, dict) else {})
            yield from _double(inner, known, f"{place}.{key}")
    elif isinstance(value, list):
        keys = schema.get("x-kubernetes-list-map-keys", [])
        seen = [json.dumps([one.get(key) for key in keys]) for one in value] if keys else []
        if len(seen) > len(set(seen)):
            yield f"{place}: two entries have the same {', '.join(keys)}"
        for one in value:
            yield from _double(one, schema.get("items", {}), place)
