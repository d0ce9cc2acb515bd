"""What is read of a Serve cluster, and what is put back."""

import copy
from typing import Any

import pytest

from app.errors import ConfigError
from app.storage.releases import Part
from train.publishing.deployed import Deployed, versions

POLICY = {"version": "1"}
DETAILS: dict[str, Any] = {
    "proxy_location": "HeadOnly",
    "http_options": {"host": "127.0.0.1", "port": 8000},
    "grpc_options": {},
    "target_capacity": None,
    "controller_info": {"node_id": "n"},
    "applications": {
        "router": {
            "name": "router",
            "route_prefix": "/",
            "status": "RUNNING",
            "message": "",
            "deployments": {
                "Ingress": {
                    "replicas": [{"replica_id": "i1", "state": "RUNNING"}, {"replica_id": "i2", "state": "STOPPING"}]
                }
            },
            "deployed_app_config": {
                "name": "router",
                "import_path": "deployments.graph:router",
                "args": {"catalogue": "mine.yaml"},
                "deployments": [
                    {"name": "Ingress", "num_replicas": 1, "user_config": POLICY},
                    {"name": "DecisionEngine", "user_config": POLICY},
                    {"name": "Classifier", "user_config": {"artifact": "old"}},
                ],
            },
        },
        "llama": {"deployed_app_config": {"name": "llama", "import_path": "deployments.graph:llama"}},
        "imperative": {"deployed_app_config": None},
    },
}
METRICS = """# HELP llm_router_build_info Always 1; the versions are in the labels.
llm_router_build_info{deployment="Ingress",replica="0",version="0.1.0",weights_version="1",classifier_version="none"} 1
llm_router_build_info{deployment="DecisionEngine",replica="1",version="0.1.0",weights_version="2",classifier_version="none"} 1
llm_router_build_info{deployment="Classifier",replica="0",version="0.1.0",weights_version="none",classifier_version="c1"} 1
llm_router_replica_info{deployment="Ingress",replica="0",id="i1"} 1
llm_router_replica_info{deployment="DecisionEngine",replica="1",id="d2"} 1
llm_router_replica_info{deployment="Classifier",replica="0",id="k1"} 1
"""  # noqa: E501


def deployed(details: dict[str, Any] = DETAILS, dashboard: str = "http://127.0.0.1:8265") -> Deployed:
    return Deployed.of(details, dashboard)


def test_only_the_user_config_of_the_part_differs() -> None:
    found = deployed()
    applications = [copy.deepcopy(DETAILS["applications"][name]["deployed_app_config"]) for name in ("router", "llama")]
    kept = {"proxy_location": "HeadOnly", "http_options": {"host": "127.0.0.1", "port": 8000}}
    assert found.schema == {**kept, "applications": applications}
    for deployment in applications[0]["deployments"][:2]:
        deployment["user_config"] = {"version": "2"}
    assert found.with_user_config(Part.WEIGHTS, {"version": "2"}) == {**kept, "applications": applications}
    assert found.user_config(Part.WEIGHTS) == POLICY
    assert found.user_config(Part.CLASSIFIER) == {"artifact": "old"}
    assert (found.args, found.replicas) == ({"catalogue": "mine.yaml"}, {"Ingress": {"i1": "RUNNING"}})


def test_deployments_that_differ_are_an_error() -> None:
    details = copy.deepcopy(DETAILS)
    details["applications"]["router"]["deployed_app_config"]["deployments"][1]["user_config"] = {"version": "2"}
    with pytest.raises(ConfigError, match="gives Ingress and DecisionEngine no user_config, or not the same"):
        deployed(details).user_config(Part.WEIGHTS)


def test_a_cluster_without_a_router() -> None:
    with pytest.raises(ConfigError, match=r"runs no router that was deployed from a serve_config.yaml; .* llama, imp"):
        deployed({**DETAILS, "applications": {k: v for k, v in DETAILS["applications"].items() if k != "router"}})


@pytest.mark.parametrize(
    ("host", "dashboard", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8265", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://head:8265", "http://head:8000"),
        ("10.0.0.7", "http://head:8265", "http://10.0.0.7:8000"),
        ("::", "http://[::1]:8265", "http://[::1]:8000"),
    ],
)
def test_the_routers_own_address(host: str, dashboard: str, url: str) -> None:
    assert deployed({**DETAILS, "http_options": {"host": host, "port": 8000}}, dashboard).router_url == url


def test_the_version_that_each_replica_has() -> None:
    assert versions(METRICS, Part.WEIGHTS) == {"Ingress": {"i1": "1"}, "DecisionEngine": {"d2": "2"}}
    assert versions(METRICS, Part.CLASSIFIER) == {"Classifier": {"k1": "c1"}}
