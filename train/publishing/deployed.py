"""What is deployed on a Serve cluster: the configuration of all applications, and the router's replicas."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from app.errors import ConfigError
from app.storage.releases import Part

Json = dict[str, Any]
ROUTER = "deployments.graph:router"
DEPLOYMENTS = {Part.WEIGHTS: ("Ingress", "DecisionEngine"), Part.CLASSIFIER: ("Classifier",)}
KEPT = ("proxy_location", "http_options", "grpc_options", "target_capacity")
GONE = ("STOPPING",)
LABELS = {Part.WEIGHTS: "weights_version", Part.CLASSIFIER: "classifier_version"}
SAMPLE = re.compile(r"^(llm_router_build_info|llm_router_replica_info){(.*)} 1(?:\.0)?$", re.M)
LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Deployed:
    """`schema` is the whole configuration, as it is put back. `router` is the name of its application.

    `replicas`: the state of each that is not on its way out, by deployment and id.
    """

    schema: Json
    router: str
    router_url: str
    status: str
    replicas: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, details: Json, dashboard: str) -> Self:
        """`details` as Serve's REST API gives them. Raises ConfigError when there is no router."""
        applications = details["applications"]
        configs = [one["deployed_app_config"] for one in applications.values() if one.get("deployed_app_config")]
        config = next((one for one in configs if one["import_path"] == ROUTER), None)
        if config is None:
            raise ConfigError(
                f"{dashboard}: runs no router that was deployed from a serve_config.yaml; its applications: "
                f"{', '.join(applications) or 'none'}"
            )
        running = applications[config["name"]]
        return cls(
            schema={**{name: details[name] for name in KEPT if details.get(name)}, "applications": configs},
            router=config["name"],
            router_url=_router_url(details["http_options"], running["route_prefix"], dashboard),
            status=f"{running['status']} {running['message']}".strip(),
            replicas={
                name: {one["replica_id"]: one["state"] for one in deployment["replicas"] if one["state"] not in GONE}
                for name, deployment in running["deployments"].items()
            },
        )

    @property
    def args(self) -> Json:
        """Of the router."""
        found: Json = _application(self.schema, self.router).get("args") or {}
        return found

    def ids(self, deployment: str) -> list[str]:
        """Of its replicas."""
        return sorted(self.replicas.get(deployment, ()))

    def user_config(self, part: Part) -> Json:
        """Raises ConfigError when a deployment of the part has none, or they differ."""
        named = _deployments(_application(self.schema, self.router), part)
        found = [deployment.get("user_config") or {} for deployment in named]
        if len(found) < len(DEPLOYMENTS[part]) or not found[0] or any(one != found[0] for one in found):
            raise ConfigError(
                f"the deployed configuration gives {' and '.join(DEPLOYMENTS[part])} no user_config, or not the same; "
                "deploy a serve_config.yaml that does"
            )
        return dict(found[0])

    def with_user_config(self, part: Part, content: Mapping[str, Any]) -> Json:
        """The schema, where nothing else differs."""
        schema = copy.deepcopy(self.schema)
        for deployment in _deployments(_application(schema, self.router), part):
            deployment["user_config"] = dict(content)
        return schema


def versions(metrics: str, part: Part) -> dict[str, dict[str, str]]:
    """The version that each replica of the part's deployments says it has, by deployment and Serve's replica id."""
    ids: dict[tuple[str, str], str] = {}
    found: dict[tuple[str, str], str] = {}
    for name, given in SAMPLE.findall(metrics):
        labels = dict(LABEL.findall(given))
        place = labels["deployment"], labels["replica"]
        if name == "llm_router_replica_info":
            ids[place] = labels["id"]
        else:
            found[place] = labels[LABELS[part]]
    return {
        deployment: {ids[place]: version for place, version in found.items() if place[0] == deployment and place in ids}
        for deployment in DEPLOYMENTS[part]
    }


def _application(schema: Json, name: str) -> Json:
    found: Json = next(one for one in schema["applications"] if one["name"] == name)
    return found


def _deployments(application: Json, part: Part) -> list[Json]:
    return [one for one in application.get("deployments") or [] if one["name"] in DEPLOYMENTS[part]]


def _router_url(options: Json, prefix: str | None, dashboard: str) -> str:
    """Where Serve listens on this machine or on all addresses, it is found where its dashboard was."""
    host, there = options["host"], urlsplit(dashboard).hostname or ""
    if host == "localhost" or _reaches_only_there(host):
        host = there
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{options['port']}{(prefix or '').rstrip('/')}"


def _reaches_only_there(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
