"""A router in production mode on a PostgreSQL of its own, and the API keys that were made for it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.paths import PROJECT
from tests.servers.postgres import PASSWORD, running_postgres
from tests.servers.process import free_port
from tests.servers.router import Cluster, cluster_config, running_router

HOST = "llm.example.com"
KEYS = {  # by name, the arguments of `python -m app.keys create`
    "pro": ("--tenant", "acme", "--tier", "pro"),
    "free": ("--tenant", "globex", "--tier", "free"),
    "admin": ("--tenant", "ops", "--tier", "enterprise", "--admin"),
    "revoked": ("--tenant", "acme", "--tier", "pro"),  # right after its first use
}


@dataclass
class Production:
    """`cluster.http` sends no key. `keys` are tokens by their names in KEYS; `secrets` may be shown nowhere."""

    cluster: Cluster
    variables: Mapping[str, str]
    keys: Mapping[str, str]
    secrets: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.cluster.url

    def header(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[name]}"}

    @contextmanager
    def http(self, name: str) -> Iterator[httpx.Client]:
        """A client that sends the key of this name."""
        with httpx.Client(base_url=self.url, headers=self.header(name), timeout=60) as http:
            yield http


def manage_keys(variables: Mapping[str, str], *arguments: str) -> str:
    """`python -m app.keys`; what it prints on standard output."""
    command = [sys.executable, "-m", "app.keys", *arguments]
    done = subprocess.run(
        command, env={**os.environ, **variables}, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def running_production(folder: Path, upstream_url: str) -> Iterator[Production]:
    """Without Llama: `medium` and `strong` answer."""
    config = cluster_config(folder, upstream_url)
    config["applications"] = config["applications"][:1]
    with running_postgres() as postgres:
        variables = {
            "APP_ENV": "production",
            "DATABASE_URL": postgres.url(postgres.database()),
            "TRUSTED_HOSTS": f"127.0.0.1,{HOST}",
            "STORE_TEXT": "full",
            "TEST_KEY": "sk-production-0123456789",
            **{f"RAY_SERVE_HAPROXY_{kind}_PORT": str(free_port()) for kind in ("METRICS", "STATS")},
        }
        with running_router(folder, config, **variables) as cluster, ThreadPoolExecutor() as pool:
            tokens = pool.map(lambda arguments: manage_keys(variables, "create", *arguments), KEYS.values())
            keys = dict(zip(KEYS, tokens, strict=True))
            secrets = (*(token.rpartition("-")[2] for token in keys.values()), variables["TEST_KEY"], PASSWORD)
            production = Production(cluster, variables, keys, secrets)
            with production.http("revoked") as http:
                assert http.get("/v1/models").status_code == 200
            manage_keys(variables, "revoke", keys["revoked"].split("-")[1])
            yield production
