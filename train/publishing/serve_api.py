"""Serve's REST API, which the Ray dashboard has: what is deployed, and the same with another user_config."""

import json
import os
import urllib.error
import urllib.request
from http.client import HTTPException

from app.errors import ConfigError
from app.ray_auth import authorization
from app.settings import environment
from train.publishing.deployed import Deployed, Json

USUAL = "http://127.0.0.1:8265"
TIMEOUT_S = 10.0
REFUSED = (401, 403)
KEY = "LLM_ROUTER_API_KEY"


class ServeApi:
    """`dashboard` is its address; None takes RAY_DASHBOARD_ADDRESS, else Ray's usual one on this machine."""

    def __init__(self, dashboard: str | None = None) -> None:
        self.dashboard = (dashboard or os.environ.get("RAY_DASHBOARD_ADDRESS") or USUAL).rstrip("/")
        if not self.dashboard.startswith(("http://", "https://")):
            raise ConfigError(f"--dashboard {self.dashboard}: is no address; write it like {USUAL}")

    def read(self) -> Deployed:
        """Raises ConfigError when no cluster answers, or none with a router."""
        answer = self._ask("GET", None)
        try:
            details = json.loads(answer)
            return Deployed.of(details, self.dashboard)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise ConfigError(f"{self.dashboard}: what answers there is no Ray dashboard; check --dashboard") from error

    def deploy(self, schema: Json) -> None:
        """Replaces the configuration of all applications: what differs in user_config only restarts nothing."""
        self._ask("PUT", json.dumps(schema).encode())

    def metrics(self, deployed: Deployed) -> str:
        """The router's own, as Prometheus text, from its own address. Raises ConfigError."""
        key = environment().get(KEY)
        headers = {"x-api-key": key} if key else {}
        request = urllib.request.Request(f"{deployed.router_url}/api/v1/metrics", headers=headers)
        return self._open(request, "the router", f"an admin's API key ({KEY})").decode()

    def _ask(self, method: str, body: bytes | None) -> bytes:
        headers = {**authorization(), "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.dashboard}/api/serve/applications/", body, headers, method=method)
        return self._open(
            request, "a Ray dashboard", "the cluster's token (RAY_AUTH_TOKEN, or its file in RAY_AUTH_TOKEN_PATH)"
        )

    def _open(self, request: urllib.request.Request, what: str, secret: str) -> bytes:
        where = f"{request.type}://{request.host}"
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                answer: bytes = response.read()
        except urllib.error.HTTPError as error:
            words = error.read().decode("utf-8", "replace").strip()[:500]
            if error.code in REFUSED:
                raise ConfigError(f"{where}: {what} refuses this ({error.code}); it wants {secret}") from error
            raise ConfigError(f"{where}: refuses the request ({error.code}): {words}") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ConfigError(
                f"{where}: {what} does not answer there ({reason}); start the router, or name its cluster by "
                "--dashboard or RAY_DASHBOARD_ADDRESS"
            ) from error
        return answer
