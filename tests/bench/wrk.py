"""Runs wrk (a Debian package) and reads its figures."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNIT_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
NUMBER = "%%NUMBER%%"  # in a body: another number in each request
NUMBERED = """
local before, after, first, count = [==[{before}]==], [==[{after}]==], math.floor({first}), 0
request = function()
  count = count + 1
  return wrk.format(nil, nil, nil, before .. (first + count) .. after)
end
"""


@dataclass(frozen=True)
class Load:
    """Requests a second, latency in milliseconds, and how many answers were no success."""

    rps: float
    p50_ms: float
    p99_ms: float
    failed: int


_requests_before = 0


def wrk(
    url: str,
    body: Mapping[str, Any],
    *,
    connections: int,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    pause_ms: int = 0,
) -> Load:
    """`body` may hold NUMBER, once: then no two requests of this process are equal.

    Each connection waits `pause_ms` before each request.
    """
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(json.dumps(body), {"content-type": "application/json", **(headers or {})}))
        if pause_ms:
            script.write(f"\ndelay = function() return {pause_ms} end\n")
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "-s", script.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    rps = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rps, text
    lost = sum(map(int, broken.groups())) if broken else 0
    lost += int(failed[1]) if failed else 0
    return Load(float(rps[1]), _percentile(text, 50), _percentile(text, 99), lost)


def _script(body: str, headers: Mapping[str, str]) -> str:
    global _requests_before
    lines = ['wrk.method="POST"', *(f'wrk.headers["{name}"]="{value}"' for name, value in headers.items())]
    if NUMBER not in body:
        return "\n".join([*lines, f"wrk.body=[==[{body}]==]"])
    before, after = body.split(NUMBER)
    _requests_before += 1_000_000
    return "\n".join(lines) + NUMBERED.format(before=before, after=after, first=_requests_before)


def _percentile(text: str, which: int) -> float:
    found = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s)", text, re.M)
    assert found, text
    return float(found[1]) * UNIT_MS[found[2]]
