"""A real Chroma server: `chroma run` of the package."""

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.process import Process, check_alive, free_port, running, wait_until

START_S = 30.0


@dataclass
class ChromaServer:
    """`stop` and `start` keep the address and what was stored."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        program = str(Path(sys.executable).parent / "chroma")
        command = [program, "run", "--path", str(self.folder), "--port", str(self.port)]
        self._running = running(command, self.folder / "chroma.log", {"ANONYMIZED_TELEMETRY": "False"})
        self._process = self._running.__enter__()
        wait_until(self._answers, START_S, "Chroma")

    def stop(self) -> None:
        if self._process is not None:
            self._process = None
            self._running.__exit__(None, None, None)

    def _answers(self) -> bool:
        assert self._process is not None
        check_alive(self._process, self.folder / "chroma.log")
        try:
            with urllib.request.urlopen(f"{self.url}/api/v2/heartbeat", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False


@contextmanager
def running_chroma(folder: Path) -> Iterator[ChromaServer]:
    server = ChromaServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
