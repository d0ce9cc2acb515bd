"""What the objects say of each other: names, labels, ports."""

from collections.abc import Iterator
from typing import Any

from tests.kuberay.render import Json, containers, name_of, one, templates

# What ../README.md has the operator of the cluster make, and no manifest holds.
SECRETS = {
    "llm-router": {
        *("DATABASE_URL", "REDIS_URL", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "GCS_REDIS_PASSWORD"),
        *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN"),
    },
    "llm-router-ray-token": {"auth_token"},
    "llm-router-admin-key": {"LLM_ROUTER_API_KEY"},
}
MADE_BY_KUBERAY = {"router": ("router", "llama"), "llm-router-head-svc": ("head",)}  # Services, and whom they reach


def reference_faults(objects: list[Json]) -> list[str]:
    checks = (_names(objects), _selectors(objects), _ports(objects), _policies(objects), _secrets(objects))
    return [fault for check in checks for fault in check]


def _existing(objects: list[Json], kind: str) -> set[str]:
    return {thing["metadata"]["name"] for thing in objects if thing["kind"] == kind}


def _names(objects: list[Json]) -> Iterator[str]:
    for where, template in templates(objects):
        spec = template["spec"]
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        if spec["serviceAccountName"] not in _existing(objects, "ServiceAccount"):
            yield f"{where}: ServiceAccount {spec['serviceAccountName']} does not exist"
        for volume in spec.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in _existing(objects, "PersistentVolumeClaim"):
                yield f"{where}: PersistentVolumeClaim {claim} does not exist"
            config = volume.get("configMap", {}).get("name")
            if config and config not in _existing(objects, "ConfigMap"):
                yield f"{where}: ConfigMap {config} does not exist"
        for container in containers(template):
            for source in container.get("envFrom", []):
                if source["configMapRef"]["name"] not in _existing(objects, "ConfigMap"):
                    yield f"{where}: ConfigMap {source['configMapRef']['name']} does not exist"
            for mount in container.get("volumeMounts", []):
                claimed = where.startswith("StatefulSet") and mount["name"] == "data"
                if mount["name"] not in volumes and not claimed:
                    yield f"{where}: volume {mount['name']} does not exist"
    for binding in (thing for thing in objects if thing["kind"] == "RoleBinding"):
        if binding["roleRef"]["name"] not in _existing(objects, "Role"):
            yield f"{name_of(binding)}: Role {binding['roleRef']['name']} does not exist"
        for subject in binding["subjects"]:
            if subject["name"] not in _existing(objects, "ServiceAccount"):
                yield f"{name_of(binding)}: ServiceAccount {subject['name']} does not exist"


def _secrets(objects: list[Json]) -> Iterator[str]:
    """Every Secret is one that the README makes, and every reference says whether it may be missing."""
    for where, reference in _found(objects, "secretKeyRef"):
        if reference["key"] not in SECRETS.get(reference["name"], set()):
            yield f"{where}: Secret {reference['name']} with {reference['key']} is not one that the README makes"
        if "optional" not in reference:
            yield f"{where}: {reference['key']} does not say whether it is optional"
    for where, name in _found(objects, "secretName"):
        if name not in SECRETS:
            yield f"{where}: Secret {name} is not one that the README makes"
    for thing in objects:
        if thing["kind"] == "Secret":
            yield f"{name_of(thing)}: a Secret with values does not belong into the manifests"


def _found(objects: list[Json], key: str) -> Iterator[tuple[str, Any]]:
    def walk(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            if key in value:
                yield value[key]
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    return ((name_of(thing), found) for thing in objects for found in walk(thing))


def matches(selector: Json, labels: Json) -> bool:
    """As Kubernetes does; no other operator than In is in use."""
    named = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return named and all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


def _pods(objects: list[Json]) -> list[tuple[str, Json, set[int]]]:
    found = []
    for where, template in templates(objects):
        ports = {port["containerPort"] for part in containers(template) for port in part.get("ports", [])}
        found.append((where, template["metadata"]["labels"], ports))
    return found


def _selectors(objects: list[Json]) -> Iterator[str]:
    pods = _pods(objects)
    for thing in objects:
        spec, kind = thing.get("spec", {}), thing["kind"]
        if kind == "Service":
            selector: Json = {"matchLabels": spec["selector"]}
        elif kind in ("PodDisruptionBudget", "PodMonitor"):
            selector = spec["selector"]
        elif kind in ("Deployment", "StatefulSet"):
            if not matches(spec["selector"], spec["template"]["metadata"]["labels"]):
                yield f"{name_of(thing)}: its selector does not match its own pods"
            continue
        else:
            continue
        if not any(matches(selector, labels) for _, labels, _ in pods):
            yield f"{name_of(thing)}: its selector matches no pod"


def _ports(objects: list[Json]) -> Iterator[str]:
    for where, template in templates(objects):
        for container in containers(template):
            named = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                action = container.get(probe, {})
                port = (action.get("httpGet") or action.get("tcpSocket") or {}).get("port")
                if isinstance(port, str) and port not in named:
                    yield f"{where}: {probe} asks a port {port} that the container has not"
    by_name = [
        (
            template["metadata"]["labels"],
            {port.get("name") for part in containers(template) for port in part.get("ports", [])},
        )
        for _, template in templates(objects)
    ]
    for thing in objects:
        if thing["kind"] == "Service":
            reached = [
                names for labels, names in by_name if matches({"matchLabels": thing["spec"]["selector"]}, labels)
            ]
            for port in thing["spec"]["ports"]:
                if any(port["targetPort"] not in names for names in reached):
                    yield f"{name_of(thing)}: its pods have no port {port['targetPort']}"
        if thing["kind"] == "PodMonitor":
            reached = [names for labels, names in by_name if matches(thing["spec"]["selector"], labels)]
            for endpoint in thing["spec"]["podMetricsEndpoints"]:
                if any(endpoint["port"] not in names for names in reached):
                    yield f"{name_of(thing)}: its pods have no port {endpoint['port']}"


def _policies(objects: list[Json]) -> Iterator[str]:
    """Selectors of policies find pods; ports that they open are there."""
    pods = _pods(objects)
    for thing in (thing for thing in objects if thing["kind"] == "NetworkPolicy"):
        spec = thing["spec"]
        chosen = [ports for _, labels, ports in pods if matches(spec["podSelector"], labels)]
        if not chosen:
            yield f"{name_of(thing)}: its podSelector matches no pod"
        for rule in spec.get("ingress", []):
            for port in rule.get("ports", []):
                if chosen and not any(port["port"] in ports for ports in chosen):
                    yield f"{name_of(thing)}: opens {port['port']}, which no pod of it listens on"
        for rule in (*spec.get("ingress", []), *spec.get("egress", [])):
            for peer in (*rule.get("from", []), *rule.get("to", [])):
                selector = peer.get("podSelector")
                if (
                    selector
                    and "namespaceSelector" not in peer
                    and not any(matches(selector, each[1]) for each in pods)
                ):
                    yield f"{name_of(thing)}: {selector} matches no pod"


def may_reach(objects: list[Json], source: str, target: str, port: int) -> bool:
    """Whether policies let pods of one `part` reach another's port: both ends have to allow it."""
    policies = [thing["spec"] for thing in objects if thing["kind"] == "NetworkPolicy"]
    ends = {part: {"app": "llm-router", "part": part} for part in (source, target)}
    return _allows(policies, "egress", "to", ends[source], ends[target], port) and _allows(
        policies, "ingress", "from", ends[target], ends[source], port
    )


def _allows(policies: list[Json], direction: str, key: str, own: Json, other: Json, port: int) -> bool:
    for spec in policies:
        if matches(spec["podSelector"], own):
            for rule in spec.get(direction, []):
                peers = rule.get(key)
                reached = peers is None or any(
                    "namespaceSelector" not in peer and "podSelector" in peer and matches(peer["podSelector"], other)
                    for peer in peers
                )
                if reached and ("ports" not in rule or port in [each["port"] for each in rule["ports"]]):
                    return True
    return False


def service_parts(objects: list[Json], name: str) -> tuple[str, ...]:
    """The `part` of the pods behind a Service."""
    if name in MADE_BY_KUBERAY:
        return MADE_BY_KUBERAY[name]
    selector = {"matchLabels": one(objects, "Service", name)["spec"]["selector"]}
    return tuple(labels["part"] for _, labels, _ in _pods(objects) if matches(selector, labels))
