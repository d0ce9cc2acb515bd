"""Serve's REST API, which the Ray dashboard has, as far as the launcher and the manifests need it."""

import json
import urllib.request
from http.client import HTTPException
from typing import Any

from app.ray_auth import authorization

NO_ANSWER = (OSError, ValueError, LookupError, HTTPException)  # nobody listens, or no dashboard does


def request(dashboard: str, config: bytes | None = None) -> urllib.request.Request:
    """What asks for the applications, or puts the JSON `config` in their place."""
    headers = authorization() | ({} if config is None else {"Content-Type": "application/json"})
    method = "GET" if config is None else "PUT"
    return urllib.request.Request(f"{dashboard.rstrip('/')}/api/serve/applications/", config, headers, method=method)


def applications(dashboard: str, timeout_s: float) -> dict[str, Any]:
    """By name. Raises one of NO_ANSWER."""
    with urllib.request.urlopen(request(dashboard), timeout=timeout_s) as response:
        found: dict[str, Any] = json.load(response)["applications"]
    return found
