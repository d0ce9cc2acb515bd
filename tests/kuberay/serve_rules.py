"""serveConfigV2 against Serve's schema and the project's own, and against the pods that have to hold it."""

import contextlib
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import yaml

from app.errors import ConfigError
from app.settings import read_settings
from deployments.args import LlamaArgs
from deployments.config import LLAMA, check
from tests.kuberay.render import Json, one

SECRETS = {
    "DATABASE_URL": "postgresql://router:secret@postgres:5432/router",
    "REDIS_URL": "redis://:secret@redis:6379/0",
}
OF_THE_REPLICA = 0.1  # CPUs that Ray adds to what Llama's bundle asks for


def serve_faults(objects: list[Json]) -> list[str]:
    """With the settings that the ConfigMap `router` gives, as the start-up check of the pods has them."""
    service = one(objects, "RayService", "llm-router")
    settings = one(objects, "ConfigMap", "router-")["data"]
    faults = _checked(service["spec"]["serveConfigV2"], tuple(settings.items()))
    if faults:
        return list(faults)
    config = applications(objects)
    return [*_ports(service, config), *_placement(service, config)]


@cache
def _checked(text: str, settings: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    with (
        tempfile.NamedTemporaryFile("w", suffix=".yaml") as file,
        mock.patch("deployments.config.read_settings", return_value=read_settings({**dict(settings), **SECRETS})),
    ):
        file.write(text)
        file.flush()
        try:
            check(Path(file.name))
        except ConfigError as error:
            return tuple(error.message.splitlines())
    return ()


def _ports(service: Json, config: Json) -> Iterator[str]:
    cluster, options = service["spec"]["rayClusterConfig"], config["http_options"]
    if config.get("proxy_location") != "EveryNode":
        yield "proxy_location has to be EveryNode: KubeRay's Service sends to every worker"
    if options["host"] != "0.0.0.0":
        yield f"http_options.host {options['host']} is not reached from outside the pod"
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        ports = {each["name"]: each["containerPort"] for each in group["template"]["spec"]["containers"][0]["ports"]}
        if ports.get("serve") != options["port"]:
            yield f"http_options.port {options['port']} is not the containerPort serve ({ports.get('serve')})"
    for port in service["spec"]["serveService"]["spec"]["ports"]:
        if port["port"] != options["port"]:
            yield f"serveService has the port {port['port']}, the router {options['port']}"


def _placement(service: Json, config: Json) -> Iterator[str]:
    """Every replica finds room in a pod of a group, as many as are asked for at most."""
    groups = {group["groupName"]: group for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]}
    for application in config["applications"]:
        if application["import_path"] == LLAMA:
            yield from _llama_placement(groups, LlamaArgs.model_validate(application["args"]))
            continue
        actors = {each["name"]: each.get("ray_actor_options", {}) for each in application["deployments"]}
        booked = sum(options.get("num_cpus", 0.1) for options in actors.values())
        room = float(groups["router"]["resources"]["CPU"])
        if booked > room:
            yield f"one replica of each deployment books {booked:g} CPUs, a pod of the group router has {room:g}"
        for each in application["deployments"]:
            if set(actors[each["name"]].get("resources", {})) != {"router"}:
                yield f"{each['name']} does not ask for the resource router, and may land on a machine with GPUs"
            replicas = each.get("num_replicas") or each["autoscaling_config"]["max_replicas"]
            successors = 1 if each.get("max_surge_percent") else 0
            if each.get("max_replicas_per_node") and replicas + successors > groups["router"]["maxReplicas"]:
                named = f"{each['name']} may have {replicas} replicas and {successors} to come"
                yield f"{named}, more than the group router has pods"


def _llama_placement(groups: dict[str, Json], llama: LlamaArgs) -> Iterator[str]:
    group = groups.get("llama")
    if group is None:
        yield "there is no worker group llama"
        return
    if group["maxReplicas"] < llama.max_replicas:
        yield f"llama may have {llama.max_replicas} replicas, its group {group['maxReplicas']} pods"
    cpus, gpus = float(group["resources"]["CPU"]), float(group["resources"].get("GPU", 0))
    if llama.accelerator == "gpu" and gpus < llama.gpu.tensor_parallel_size:
        yield f"llama takes {llama.gpu.tensor_parallel_size} GPUs, a pod of its group has {gpus:g}"
    if llama.accelerator == "cpu" and cpus < llama.cpu.cpus_per_replica + OF_THE_REPLICA:
        yield f"llama takes {llama.cpu.cpus_per_replica:g} CPUs, a pod of its group has {cpus:g}"
    if llama.accelerator == "cpu" and llama.cpu.cpus_per_replica <= float(groups["router"]["resources"]["CPU"]):
        yield "llama on CPUs fits into a pod of the group router, and would take the room of the router's replicas"
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    with contextlib.suppress(ValueError):
        if float(limits.get("nvidia.com/gpu", 0)) != gpus:
            yield f"the pods of the group llama get {limits.get('nvidia.com/gpu', 0)} GPUs, Ray is told of {gpus:g}"


def applications(objects: list[Json]) -> Json:
    config: Json = yaml.safe_load(one(objects, "RayService", "llm-router")["spec"]["serveConfigV2"])
    return config
