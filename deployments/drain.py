"""Ends the applications while the proxy still stands: Serve's own shutdown cuts every answer that is under way."""

import json
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from app.ray_auth import authorization

TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.2


def drain(dashboard: str, config: Mapping[str, Any], within_s: float) -> None:
    """Returns when every replica has ended its answers and is gone, or after `within_s`."""
    end = time.monotonic() + within_s
    url, headers = f"{dashboard}/api/serve/applications/", {**authorization(), "Content-Type": "application/json"}
    nothing = json.dumps({**config, "applications": []}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, nothing, headers, method="PUT"), timeout=TIMEOUT_S):
            pass
        while time.monotonic() < end and _applications(url, headers):
            time.sleep(LOOK_EVERY_S)
    except (OSError, ValueError, LookupError, HTTPException):
        return  # Serve is not there any more, or not yet


def _applications(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=TIMEOUT_S) as response:
        applications: dict[str, Any] = json.load(response)["applications"]
    return applications
