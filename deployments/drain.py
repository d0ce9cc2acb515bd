"""Ends the applications while the proxy still stands: Serve's own shutdown cuts every answer that is under way."""

import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError

from app.ray_auth import authorization

TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.2


def drain(dashboard: str, config: Mapping[str, Any], within_s: float) -> None:
    """Returns when every replica has ended its answers and is gone, or after `within_s`."""
    end = time.monotonic() + within_s
    url, headers = f"{dashboard}/api/serve/applications/", {**authorization(), "Content-Type": "application/json"}
    nothing = json.dumps({**config, "applications": []}).encode()
    try:
        _answer(urllib.request.Request(url, nothing, headers, method="PUT"))
        while time.monotonic() < end and _stand(urllib.request.Request(url, headers=headers)):
            time.sleep(LOOK_EVERY_S)
    except HTTPError as error:
        print(f"answers under way may be cut: {url} does not end them, it answers {error.code}", file=sys.stderr)
    except (OSError, ValueError, LookupError, HTTPException):
        return  # Serve is not there any more, or not yet


def _stand(request: urllib.request.Request) -> bool:
    answer = _answer(request)
    return answer is None or bool(json.loads(answer)["applications"])


def _answer(request: urllib.request.Request) -> bytes | None:
    """None when it takes too long: a busy dashboard does what it is asked all the same."""
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            content: bytes = response.read()
            return content
    except TimeoutError:
        return None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            return None
        raise
