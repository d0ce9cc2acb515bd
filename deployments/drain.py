"""Ends the applications while the proxy still stands: Serve's own shutdown cuts every answer that is under way."""

import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError

from deployments.dashboard import NO_ANSWER, request

TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.2


def drain(dashboard: str, config: Mapping[str, Any], within_s: float) -> None:
    """Returns when every replica has ended its answers and is gone, or after `within_s`."""
    end = time.monotonic() + within_s
    nothing = json.dumps({**config, "applications": []}).encode()
    try:
        _answer(request(dashboard, nothing))
        while time.monotonic() < end and _stand(dashboard):
            time.sleep(LOOK_EVERY_S)
    except HTTPError as error:
        print(f"answers under way may be cut: {dashboard} does not end them, it answers {error.code}", file=sys.stderr)
    except NO_ANSWER:
        return  # Serve is not there any more, or not yet


def _stand(dashboard: str) -> bool:
    answer = _answer(request(dashboard))
    return answer is None or bool(json.loads(answer)["applications"])


def _answer(asked: urllib.request.Request) -> bytes | None:
    """None when it takes too long: a busy dashboard does what it is asked all the same."""
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as response:
            content: bytes = response.read()
            return content
    except TimeoutError:
        return None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            return None
        raise
