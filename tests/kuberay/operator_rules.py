"""What KubeRay 1.7 refuses at run time though its CRDs allow it, from its validation.go, and what comes to nothing.

Objects are as the API server stores them (defaults filled in).
"""

import re
from collections.abc import Iterator

from packaging.version import Version

from tests.kuberay.render import Json, name_of

MAX_NAME = 47  # RayService and RayJob: 63, less "-serve-svc" and the 6 characters that a cluster's name gets
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
UPGRADES = ("None", "NewCluster", "NewClusterWithIncrementalUpgrade")
BOOKED = ("num-cpus", "num-gpus", "memory", "resources")
OLDEST_WITH_TOKENS = Version("2.52.0")


def operator_faults(thing: Json) -> list[str]:
    kinds = {"RayService": _service, "RayJob": _job}
    if thing["kind"] not in kinds:
        return []
    return [f"{name_of(thing)}: {fault}" for fault in (*_name(thing), *kinds[thing["kind"]](thing))]


def _name(thing: Json) -> Iterator[str]:
    name = thing["metadata"]["name"]
    if len(name) > MAX_NAME:
        yield f"the name has more than {MAX_NAME} characters"
    if not DNS_LABEL.fullmatch(name):
        yield f"the name {name} is no DNS label"


def _service(thing: Json) -> Iterator[str]:
    spec = thing["spec"]
    cluster = spec["rayClusterConfig"]
    yield from _cluster(cluster)
    strategy = spec.get("upgradeStrategy", {})
    if strategy.get("type", "NewCluster") not in UPGRADES:
        yield f"upgradeStrategy.type {strategy['type']} is none of {', '.join(UPGRADES)}"
    if strategy.get("type") == "NewClusterWithIncrementalUpgrade":
        yield from _incremental(cluster, strategy.get("clusterUpgradeOptions"))
    if spec.get("rayClusterDeletionDelaySeconds", 0) < 0:
        yield "rayClusterDeletionDelaySeconds is negative"
    if cluster["headGroupSpec"].get("headService", {}).get("metadata", {}).get("name"):
        yield "headService may not have a name in a RayService"
    ports = {
        port.get("name") for port in cluster["headGroupSpec"]["template"]["spec"]["containers"][0].get("ports", [])
    }
    if "serve" not in ports:
        yield "the head's container has no port named serve, so there is no Service to reach the router by"


def _incremental(cluster: Json, options: Json | None) -> Iterator[str]:
    if not cluster.get("enableInTreeAutoscaling"):
        yield "an incremental upgrade needs enableInTreeAutoscaling"
    if options is None:
        yield "an incremental upgrade needs clusterUpgradeOptions"
        return
    if not options.get("gatewayClassName"):
        yield "an incremental upgrade needs gatewayClassName"
    for name in ("maxSurgePercent", "stepSizePercent"):
        if not 0 <= options.get(name, -1) <= 100:
            yield f"{name} has to be from 0 to 100"
    if options.get("intervalSeconds", 0) <= 0:
        yield "intervalSeconds has to be above 0"


def _job(thing: Json) -> Iterator[str]:
    spec = thing["spec"]
    if spec.get("rayClusterSpec") is None and not spec.get("clusterSelector"):
        yield "has neither rayClusterSpec nor clusterSelector"
    if spec.get("suspend") and not spec.get("shutdownAfterJobFinishes"):
        yield "is suspended without shutdownAfterJobFinishes"
    if spec.get("ttlSecondsAfterFinished", 0) > 0 and not spec.get("shutdownAfterJobFinishes"):
        yield "has ttlSecondsAfterFinished without shutdownAfterJobFinishes"
    if spec.get("ttlSecondsAfterFinished", 0) < 0 or spec.get("backoffLimit", 0) < 0:
        yield "ttlSecondsAfterFinished or backoffLimit is negative"
    if spec.get("activeDeadlineSeconds", 1) <= 0:
        yield "activeDeadlineSeconds has to be above 0"
    if spec.get("submissionMode") == "HTTPMode" and spec.get("submitterPodTemplate"):
        yield "HTTPMode has no submitter pod, but there is a submitterPodTemplate"
    if spec.get("rayClusterSpec") is not None:
        yield from _cluster(spec["rayClusterSpec"])


def _cluster(cluster: Json) -> Iterator[str]:
    head, workers = cluster["headGroupSpec"], cluster.get("workerGroupSpecs", [])
    for name, group in (("head", head), *((one["groupName"], one) for one in workers)):
        yield from _group(name, group)
    variables = {one["name"] for one in head["template"]["spec"]["containers"][0].get("env", [])}
    start = head.get("rayStartParams", {})
    if cluster.get("gcsFaultToleranceOptions") is not None:
        if "redis-password" in start or "REDIS_PASSWORD" in variables:
            yield "redis-password belongs into gcsFaultToleranceOptions.redisPassword, not into the head's start"
        if "RAY_REDIS_ADDRESS" in variables:
            yield "RAY_REDIS_ADDRESS belongs into gcsFaultToleranceOptions.redisAddress"
    elif "RAY_REDIS_ADDRESS" in variables:
        yield "RAY_REDIS_ADDRESS is set without gcsFaultToleranceOptions"
    if "redis-username" in start or "REDIS_USERNAME" in variables:
        yield "redis-username belongs into gcsFaultToleranceOptions.redisUsername"
    yield from _autoscaling(cluster, variables)
    if cluster.get("authOptions", {}).get("mode") == "token":
        version = cluster.get("rayVersion")
        if not version or Version(version) < OLDEST_WITH_TOKENS:
            yield f"token authentication needs rayVersion {OLDEST_WITH_TOKENS} or later"
    for group in workers:
        if not group["minReplicas"] <= group.get("replicas", group["minReplicas"]) <= group["maxReplicas"]:
            yield f"group {group['groupName']}: minReplicas <= replicas <= maxReplicas does not hold"


def _autoscaling(cluster: Json, variables: set[str]) -> Iterator[str]:
    head, workers = cluster["headGroupSpec"], cluster.get("workerGroupSpecs", [])
    options = cluster.get("autoscalerOptions", {})
    if not cluster.get("enableInTreeAutoscaling"):
        if options:
            yield "autoscalerOptions does nothing without enableInTreeAutoscaling"
        return
    if options.get("version") and "RAY_enable_autoscaler_v2" in variables:
        yield "both autoscalerOptions.version and RAY_enable_autoscaler_v2 are set"
    for name, group in (("head", head), *((one["groupName"], one) for one in workers)):
        if options.get("version") == "v2" and group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            yield f"group {name}: restartPolicy has to be Never with autoscaler v2"
        if group.get("suspend"):
            yield f"group {name}: may not be suspended with the autoscaler"


def _group(name: str, group: Json) -> Iterator[str]:
    start = group.get("rayStartParams", {})
    if not group["template"]["spec"].get("containers"):
        yield f"group {name}: has no container"
    if group.get("resources") and any(start.get(key) for key in BOOKED):
        yield f"group {name}: resources are in rayStartParams and in resources; write them once"
    if "labels" in start:
        yield f"group {name}: labels belong into the group's labels"
    if wrong := [value for value in group.get("labels", {}).values() if not LABEL_VALUE.fullmatch(value)]:
        yield f"group {name}: {wrong[0]} is no label value"
