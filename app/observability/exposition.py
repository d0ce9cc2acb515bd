"""Metrics on their way out: a snapshot of one replica, plain data; and Prometheus text 0.0.4 from many."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Literal

from prometheus_client import CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]
KINDS: Mapping[str, Kind] = {"counter": "counter", "gauge": "gauge", "histogram": "histogram"}
Key = tuple[str, str]  # the sample's name, and its labels as they are written: a="x",b="y"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric as HELP and TYPE name it, with its samples."""

    name: str
    kind: Kind
    text: str
    samples: Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All metrics of one replica at one moment."""

    deployment: str
    replica: str
    families: tuple[Family, ...]


def snapshot(registry: CollectorRegistry, deployment: str, replica: str) -> Snapshot:
    families = []
    for metric in registry.collect():
        samples = {
            (sample.name, _labels(sample.labels)): sample.value
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        if samples:
            families.append(Family(name, KINDS[metric.type], metric.documentation, samples))
    return Snapshot(deployment, replica, tuple(families))


def render(snapshots: Iterable[Snapshot]) -> bytes:
    """Every sample carries the labels `deployment` and `replica`. The samples of a family stand together."""
    heads: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    for snap in snapshots:
        where = _labels({"deployment": snap.deployment, "replica": snap.replica})
        for family in snap.families:
            if family.name not in heads:
                heads[family.name] = _head(family)
                lines[family.name] = []
            add = lines[family.name].append
            for (name, labels), value in family.samples.items():
                add(f"{name}{{{labels}{',' if labels else ''}{where}}} {_number(value)}\n")
    return "".join(part for name in sorted(heads) for part in (heads[name], *lines[name])).encode()


def _number(value: float) -> str:
    if isfinite(value):
        return repr(value)
    return "NaN" if isnan(value) else "+Inf" if value > 0 else "-Inf"


def _head(family: Family) -> str:
    text = family.text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {family.kind}\n"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
