"""What every pod has to have here: no privilege, requests and limits, probes, an image with a tag."""

import re
from collections.abc import Iterator

from tests.kuberay.render import Json, containers, templates

TAGGED = re.compile(r"[a-z0-9./-]+:[A-Za-z0-9._-]*[0-9][A-Za-z0-9._-]*")
OURS = re.compile(r"(?:.*/)?llm-router:(?P<hardware>cpu|gpu)-(?P<version>.+)")


def pod_faults(objects: list[Json]) -> list[str]:
    return [
        fault
        for where, template in templates(objects)
        for fault in (*_security(where, template), *_parts(where, template))
    ]


def _security(where: str, template: Json) -> Iterator[str]:
    """The Pod Security Standard `restricted`, which the namespace enforces."""
    pod = template["spec"].get("securityContext", {})
    if pod.get("runAsNonRoot") is not True or pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{where}: the pod may run as root, or has no seccomp profile"
    if pod.get("runAsUser", 0) == 0:
        yield f"{where}: runs as root"
    for container in containers(template):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{where}: container {container['name']} may gain privileges"
    if template["spec"].get("hostNetwork") or any("hostPath" in each for each in template["spec"].get("volumes", [])):
        yield f"{where}: reaches the node it runs on"


def _parts(where: str, template: Json) -> Iterator[str]:
    for container in containers(template):
        resources = container.get("resources", {})
        for kind in ("requests", "limits"):
            if not {"cpu", "memory"} <= set(resources.get(kind, {})):
                yield f"{where}: container {container['name']} has no {kind} of cpu and memory"
        if not TAGGED.fullmatch(container["image"]):
            yield f"{where}: image {container['image']} has no tag with a version"
    if where.startswith("CronJob"):
        return
    for container in template["spec"]["containers"]:
        if not {"livenessProbe", "readinessProbe"} <= set(container):
            yield f"{where}: container {container['name']} has no liveness or readiness probe"


def image_faults(objects: list[Json], hardware: str, version: str) -> list[str]:
    """Ours are tagged cpu-VERSION or gpu-VERSION, all the same."""
    images = {each["image"] for _, template in templates(objects) for each in containers(template)}
    ours = [image for image in images if "llm-router" in image]
    found = [OURS.fullmatch(image) for image in ours]
    right = [each and (each["hardware"], each["version"]) == (hardware, version) for each in found]
    return (
        [] if right == [True] else [f"images {sorted(ours)}: have to be llm-router:{hardware}-{version}, nothing else"]
    )
