"""How kuberay/serve.yaml is laid over serve_config.yaml, and how what was published comes back."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from app.errors import ConfigError
from deployments.kuberay import laid_over, published, serve_config

POLICY = {"version": "tuned-1", "weights": {}}
DEPLOYED = {
    "router": {
        "deployed_app_config": {
            "deployments": [{"name": "Ingress", "user_config": POLICY}, {"name": "MetricsKeeper", "user_config": None}]
        }
    },
    "llama": {"deployed_app_config": None},
}


class Dashboard(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"applications": DEPLOYED}).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def dashboard() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Dashboard) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_above_wins_and_the_rest_stays() -> None:
    below = {"http": {"host": "a", "port": 1}, "apps": [{"name": "x", "n": 1, "m": 2}, {"name": "y"}]}
    above = {"http": {"port": 2}, "apps": {"x": {"n": 3}}}
    assert laid_over(below, above, "f") == {
        "http": {"host": "a", "port": 2},
        "apps": [{"name": "x", "n": 3, "m": 2}, {"name": "y"}],
    }


def test_a_name_that_is_not_below_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"f: apps: z is not in serve_config.yaml; it has x"):
        laid_over({"apps": [{"name": "x"}]}, {"apps": {"z": {}}}, "f")


def test_the_overlays_differ_in_llama_only() -> None:
    cpu, gpu = serve_config("cpu"), serve_config("gpu")
    assert cpu["applications"][0] == gpu["applications"][0]
    assert (cpu["applications"][1]["args"]["accelerator"], gpu["applications"][1]["args"]["accelerator"]) == (
        "cpu",
        "gpu",
    )


def test_what_was_published_goes_before_the_file(dashboard: str) -> None:
    live = published(dashboard)
    assert live == {"applications": {"router": {"deployments": {"Ingress": {"user_config": POLICY}}}}}
    config = laid_over(serve_config("cpu"), live, "published.yaml")
    ingress, engine, *_ = config["applications"][0]["deployments"]
    assert ingress["user_config"]["version"] == "tuned-1"
    assert engine["user_config"]["version"] == "1"


def test_a_dashboard_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"http://127.0.0.1:1: no Ray dashboard answers there"):
        published("http://127.0.0.1:1")
