"""Runs wrk (a Debian package) and reads its figures."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

UNIT_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """Requests a second, latency in milliseconds, and how many answers were no success."""

    rps: float
    p50_ms: float
    p99_ms: float
    failed: int


def wrk(url: str, body: dict[str, Any], *, connections: int, seconds: int) -> Load:
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write('wrk.method="POST"\nwrk.headers["content-type"]="application/json"\n')
        script.write(f"wrk.body=[==[{json.dumps(body)}]==]\n")
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    rps = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rps, text
    return Load(float(rps[1]), _percentile(text, 50), _percentile(text, 99), int(failed[1]) if failed else 0)


def _percentile(text: str, which: int) -> float:
    found = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s)", text, re.M)
    assert found, text
    return float(found[1]) * UNIT_MS[found[2]]
