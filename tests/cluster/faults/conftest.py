"""A router of its own, without Llama, on two endpoints of a provider that fail when told to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.servers.chroma import ChromaServer, running_chroma
from tests.servers.process import wait_until
from tests.servers.provider import Endpoint, running_provider
from tests.servers.router import Cluster, cluster_config, running_router, write_catalogue

REQUEST_TIMEOUT_S = 3  # so that a provider that hangs is given up in seconds; 120 is usual
OPEN_S = 1.0  # a breaker's; 30 is usual


@dataclass
class Faulty:
    """`first` is the model that every decision prefers, `second` the one that answers when it cannot."""

    router: Cluster
    first: Endpoint
    second: Endpoint
    chroma: ChromaServer

    def decision(self) -> dict[str, Any]:
        body = {"query": "Is 91 a prime number?", "user_id": "u"}
        response = self.router.http.post("/api/v1/route", json=body)
        assert response.status_code == 200, response.text
        decision: dict[str, Any] = response.json()
        return decision

    def whole(self) -> bool:
        """Whether every stage takes part in a decision, and the first model would answer."""
        try:
            decision = self.decision()
        except (AssertionError, httpx.HTTPError):
            return False
        return decision["skipped"] == {} and decision["model"] == "first"

    def wait_until_whole(self) -> None:
        wait_until(self.whole, 60, "a decision in which all stages take part")


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "chroma").mkdir()
    with running_provider(folder) as provider, running_chroma(folder / "chroma") as chroma:
        config = faulty_config(folder, provider)
        variables = {"REQUEST_TIMEOUT": str(REQUEST_TIMEOUT_S), "CHROMA_URL": chroma.url}
        with running_router(folder, config, **variables) as router:
            yield Faulty(router, Endpoint(f"{provider}/first"), Endpoint(f"{provider}/second"), chroma)


@pytest.fixture
def faulty(running: Faulty) -> Faulty:
    """Everything works."""
    running.wait_until_whole()
    return running


def faulty_config(folder: Path, provider: str) -> dict[str, Any]:
    """Only the cost counts, so that what goes wrong changes no preference."""
    config = cluster_config(folder, provider)
    config["applications"] = config["applications"][:1]
    router = config["applications"][0]
    router["args"]["breaker"]["open_s"] = OPEN_S
    for deployment in router["deployments"]:
        if "weights" in (policy := deployment.get("user_config") or {}):
            policy["weights"]["free"] = {"quality": 0, "cost": 1, "latency": 0, "hint": 0}
            policy["exploration"]["share"] = 0
    models = yaml.safe_load((folder / "models.yaml").read_text())["models"]
    far = next(model for model in models if model["id"] == "strong")
    ways = [("first", {"input": 1, "output": 2}), ("second", {"input": 2, "output": 8})]
    catalogue = [
        {**far, "id": id_, "base_url": f"{provider}/{id_}/v1", "prices_usd_per_million": prices} for id_, prices in ways
    ]
    write_catalogue(folder, config, catalogue)
    return config
