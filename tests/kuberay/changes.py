"""Where a manifest is broken: short ways to its parts, each for the objects of one overlay."""

from collections.abc import Callable

import yaml

from tests.kuberay.render import Json, containers, one, templates

Objects = list[Json]


def service(objects: Objects) -> Json:
    spec: Json = one(objects, "RayService", "llm-router")["spec"]
    return spec


def cluster(objects: Objects) -> Json:
    found: Json = service(objects)["rayClusterConfig"]
    return found


def head(objects: Objects) -> Json:
    found: Json = cluster(objects)["headGroupSpec"]
    return found


def group(objects: Objects, name: str = "router") -> Json:
    return next(each for each in cluster(objects)["workerGroupSpecs"] if each["groupName"] == name)


def pod(objects: Objects, name: str = "router") -> Json:
    found: Json = group(objects, name)["template"]["spec"]
    return found


def job(objects: Objects) -> Json:
    spec: Json = one(objects, "RayJob", "retrain")["spec"]
    return spec


def rename(objects: Objects, kind: str, old: str, new: str) -> None:
    one(objects, kind, old)["metadata"]["name"] = new


def serve(objects: Objects, change: Callable[[Json], object]) -> None:
    config = yaml.safe_load(service(objects)["serveConfigV2"])
    change(config)
    service(objects)["serveConfigV2"] = yaml.safe_dump(config)


def deployment(config: Json, name: str) -> Json:
    return next(each for each in config["applications"][0]["deployments"] if each["name"] == name)


def every_container(objects: Objects, change: Callable[[Json], object]) -> None:
    for _, template in templates(objects):
        for container in containers(template):
            change(container)


def tag(container: Json, text: str) -> None:
    if container["image"].startswith("llm-router"):
        container["image"] = text


def upgrade(objects: Objects) -> Json:
    found: Json = service(objects)["upgradeStrategy"]
    return found
