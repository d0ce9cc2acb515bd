"""What stands before the replicas is killed: HAProxy, the actor that keeps it, and Serve's controller."""

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.cluster.faults.conftest import Faulty
from tests.cluster.load import load
from tests.cluster.report import last_for_a_while, record, time_until

pytestmark = pytest.mark.cluster

PARTS: dict[str, Callable[[str], bool]] = {
    "HAProxy": lambda command: "haproxy.cfg" in command,
    "HAProxyManager": lambda command: command.startswith("ray::HAProxyManager"),
    "ServeController": lambda command: command.startswith("ray::ServeController"),
}


def pids(faulty: Faulty, part: str) -> set[int]:
    """Of the processes of this router; they change while one looks."""
    found = set()
    for process in psutil.Process(faulty.router.process.pid).children(recursive=True):
        try:
            if PARTS[part](" ".join(process.cmdline())):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_serve_is_killed(faulty: Faulty, part: str) -> None:
    killed = pids(faulty, part)
    assert killed
    with load([faulty.router.url], model="auto") as loaded:
        loaded.wait_for(20, "before")
        began = time.monotonic()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

        def works() -> bool:
            return bool(pids(faulty, part) - killed) and bool(faulty.router.applications()) and faulty.whole()

        recovered_s = time_until(works, f"a new {part}", since=began)
        last_for_a_while()
        loaded.wait_for(50, "after")
    record(f"{part} killed", loaded, recovered_s)
    print(part, *loaded.failures, sep="\n")
    loaded.check()
