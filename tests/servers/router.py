"""The router as `make serve` starts it: the launcher, Ray, the vLLM engine."""

import json
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from app.artifacts.llama import ensure_llama_weights
from app.artifacts.minilm import ensure_minilm
from app.paths import project_path
from deployments.dashboard import applications, request
from deployments.launch import find_dashboard
from tests.servers.process import Process, check_alive, free_port, running, tail, wait_until

ROUTER_UP_S, LLAMA_UP_S, TIMEOUT_S = 120.0, 300.0, 30.0
KEY = "sk-test-0123456789"


@dataclass
class Cluster:
    """A running router. `router_s` is the time from the start of the launcher to the first 200."""

    url: str
    config: dict[str, Any]
    process: Process
    log: Path
    http: httpx.Client
    started: float
    router_s: float

    def applications(self) -> dict[str, Any]:
        """As the dashboard tells them; none while it starts."""
        try:
            return applications(self.dashboard(), TIMEOUT_S)
        except OSError:
            return {}

    def deploy(self, config: dict[str, Any]) -> None:
        """What `serve deploy` does."""
        config_put = request(self.dashboard(), json.dumps(config).encode())
        urllib.request.urlopen(config_put, timeout=TIMEOUT_S).close()

    def replica_pids(self, deployment: str, application: str = "router") -> list[int]:
        """Those that answer; a replica answers while it takes a new user_config."""
        replicas = self.applications()[application]["deployments"][deployment]["replicas"]
        return [replica["pid"] for replica in replicas if replica["state"] in ("RUNNING", "UPDATING")]

    def wait_for_llama(self) -> None:
        wait_until(lambda: "llama" in self.available(), LLAMA_UP_S, f"Llama (see {self.log})")

    def available(self) -> set[str]:
        models = self.http.get("/api/v1/models").json()["models"]
        return {model["id"] for model in models if model["available"]}

    def healthy(self) -> bool:
        return _healthy(self.http)

    def services(self) -> dict[str, Any]:
        """What the health of one Ingress replica says of them."""
        services: dict[str, Any] = self.http.get("/api/v1/health").json()["services"]
        return services

    def metric(self, name: str) -> float:
        """Added up over its labels, the replicas among them."""
        response = self.http.get("/api/v1/metrics")
        assert response.status_code == 200, response.text
        return sum(float(value) for value in re.findall(rf"^{name}{{.*}} ([\d.e+]+)$", response.text, re.M))

    def dashboard(self) -> str:
        """Its address."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next(url for line in lines if (url := find_dashboard(line)))


def _healthy(http: httpx.Client) -> bool:
    try:
        return http.get("/api/v1/health").status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def running_router(
    folder: Path, config: dict[str, Any], *, launcher: str = "deployments.launch", **variables: str
) -> Iterator[Cluster]:
    """Starts it on a free port, in a Ray cluster of its own, and waits for the router, not for Llama."""
    ensure_minilm(), ensure_llama_weights()
    port, path, log = free_port(), folder / "serve_config.yaml", folder / "serve.log"
    path.write_text(yaml.safe_dump(config))
    config["http_options"]["port"] = port
    url, started = f"http://127.0.0.1:{port}", time.monotonic()
    given = {
        "PORT": str(port),
        "RAY_ADDRESS": "local",
        "TEST_KEY": KEY,
        "DATABASE_URL": f"sqlite:///{folder}/router.db",
    }
    given |= variables
    with (
        running([sys.executable, "-m", launcher, str(path)], log, given) as process,
        httpx.Client(base_url=url, timeout=60) as http,
    ):

        def answers() -> bool:
            check_alive(process, log)
            return _healthy(http)

        wait_until(answers, ROUTER_UP_S, f"the router's first answer; its log ends with\n{tail(log)}")
        cluster = Cluster(url, config, process, log, http, started, time.monotonic() - started)
        wait_until(lambda: "router" in cluster.applications(), ROUTER_UP_S, "the dashboard's first answer")
        yield cluster


def cluster_config(folder: Path, upstream_url: str) -> dict[str, Any]:
    """The shipped serve_config.yaml with a catalogue of its own: Llama, and two models behind `upstream_url`."""
    config: dict[str, Any] = yaml.safe_load(project_path("serve_config.yaml").read_text())
    config["applications"][0]["args"]["storage"]["spool_folder"] = str(folder / "spool")
    config["applications"][0]["args"]["memory"]["folder"] = str(folder / "memory")
    models = yaml.safe_load(project_path("configs/models.yaml").read_text())["models"]
    local = next(model for model in models if model["id"] == "llama")
    far = {
        **{key: value for key, value in local.items() if key != "parallel_requests"},
        "provider": "openai-compatible",
        "base_url": f"{upstream_url}/v1",
        "key_variable": "TEST_KEY",
        "prices_usd_per_million": {"input": 2, "output": 8},
        "context_window_tokens": 100_000,
    }
    strong = {"id": "strong", "upstream_name": "strong", "quality_tier": "high", "strengths": ["coding", "analytical"]}
    catalogue = [local, {**far, "id": "medium", "upstream_name": "medium", "quality_tier": "medium"}, {**far, **strong}]
    write_catalogue(folder, config, catalogue)
    return config


def write_catalogue(folder: Path, config: dict[str, Any], models: list[dict[str, Any]]) -> None:
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump({"models": models}))
    config["applications"][0]["args"]["catalogue"] = str(path)


def add_adapter(folder: Path, config: dict[str, Any], id_: str, name: str, path: Path) -> None:
    """Lists the LoRA adapter at `path` in the config and, as the model `id_`, in the catalogue."""
    models = yaml.safe_load((folder / "models.yaml").read_text())["models"]
    write_catalogue(folder, config, [*models, {**models[0], "id": id_, "upstream_name": name}])
    config["applications"][1]["args"]["lora_adapters"] = [{"name": name, "path": str(path)}]
