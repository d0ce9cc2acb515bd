"""A real Chroma server: `chroma run` of the package."""

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import check_alive, free_port, running, wait_until

START_S = 30.0


@contextmanager
def running_chroma(folder: Path) -> Iterator[str]:
    """Its address."""
    port, log = free_port(), folder / "chroma.log"
    command = [str(Path(sys.executable).parent / "chroma"), "run", "--path", str(folder), "--port", str(port)]
    with running(command, log, {"ANONYMIZED_TELEMETRY": "False"}) as process:

        def answers() -> bool:
            check_alive(process, log)
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/api/v2/heartbeat", timeout=1) as response:
                    return bool(response.status == 200)
            except OSError:
                return False

        wait_until(answers, START_S, "Chroma")
        yield f"http://localhost:{port}"
