"""`make serve`: checks the configuration, runs `serve run`, and says how far the start has come.

Serve in its fast setting writes nothing to the terminal, so this watches the applications and tells what fails.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml

from app.errors import ConfigError
from app.settings import environment, read_settings
from deployments.config import check
from deployments.dashboard import NO_ANSWER, applications
from deployments.drain import drain
from deployments.environment import EDGE, FAST_INGRESS, NO_TELEMETRY, QUICK_RECOVERY, QUICK_STOP, RETRIES

HAPROXY_PORTS = {"RAY_SERVE_HAPROXY_METRICS_PORT": 9101, "RAY_SERVE_HAPROXY_STATS_PORT": 8404}
REPLICA_PORTS, FIRST_REPLICA_PORT, BLOCKS = 100, 20_000, 120
LOOK_EVERY_S, LOOK_TIMEOUT_S = 0.5, 5.0
DRAIN_WITHIN_S = 140.0  # above every graceful_shutdown_timeout_s
FAILED, RUNNING = "DEPLOY_FAILED", "RUNNING"


def main(path: Path) -> int:
    """The exit code of `serve run`; 1 when the configuration is refused or the router cannot start."""
    try:
        config = check(path)
        url = _listen(config)
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return 1
    ours = {**FAST_INGRESS, **NO_TELEMETRY, **EDGE, **QUICK_STOP, **QUICK_RECOVERY, **RETRIES}
    for name, value in {**ours, "HF_HUB_OFFLINE": "1"}.items():
        os.environ.setdefault(name, value)
    for name, value in replica_ports(config["http_options"]["port"]).items():
        os.environ.setdefault(name, value)
    for name, port in HAPROXY_PORTS.items():
        os.environ.setdefault(name, str(port if _is_free("127.0.0.1", port) else _free_port()))
    os.environ.update(environment())
    with tempfile.NamedTemporaryFile("w", prefix="serve_config-", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        return _run(file.name, url, config)


def _listen(config: dict[str, Any]) -> str:
    """HOST and PORT of the environment go before the file's. Returns the address for the user."""
    options = config.setdefault("http_options", {})
    settings, given = read_settings(), environment()
    if "HOST" in given:
        options["host"] = str(settings.host)
    if "PORT" in given:
        options["port"] = settings.port
    host, port = options.setdefault("host", str(settings.host)), options.setdefault("port", settings.port)
    if not settings.production and not _is_local(host):
        raise ConfigError(
            f"HOST {host}: in development nobody is asked for an API key, so it listens on this machine alone; set "
            "APP_ENV=production, or HOST=127.0.0.1"
        )
    if not _is_free(host, port):
        raise ConfigError(f"port {port} of {host} is in use; stop what listens there, or set PORT to another one")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def replica_ports(port: int) -> dict[str, str]:
    """Where Ingress replicas listen behind HAProxy, and who stands in for them: a block of ports of this router's own.

    Ray's are the same for every cluster, and its sockets share ports: of two routers on one machine, one would get
    requests of the other.
    """
    first = FIRST_REPLICA_PORT + port % BLOCKS * REPLICA_PORTS
    last = first + REPLICA_PORTS - 1
    return {
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(last - 1),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(last),
    }


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(file: str, url: str, config: dict[str, Any]) -> int:
    command = [str(Path(sys.executable).parent / "serve"), "run", file]
    serve = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_take_interrupts, errors="replace"
    )
    watch = Watch(serve, url, [application["name"] for application in config["applications"]])
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=watch.stop, args=(config,)).start())
    threading.Thread(target=watch.announce, daemon=True).start()
    try:
        code = _until_the_end(watch, serve)
        return 1 if watch.router_failed else code
    finally:
        if serve.poll() is None:
            serve.send_signal(signal.SIGINT)


def _until_the_end(watch: "Watch", serve: "subprocess.Popen[str]") -> int:
    while True:
        try:
            watch.pass_on_output()
            return serve.wait()
        except KeyboardInterrupt:  # the terminal has sent it to `serve run` as well
            continue


def _take_interrupts() -> None:
    """A shell starts background jobs with interrupts ignored, and `serve run` shuts down by an interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Watch:
    """Says when each application is ready, or why it failed. A router that failed ends `serve run`."""

    def __init__(self, serve: "subprocess.Popen[str]", url: str, applications: list[str]) -> None:
        self._serve = serve
        self._url = url
        self._waiting = set(applications)
        self._started = time.monotonic()
        self._dashboard: str | None = None
        self._stopping = False
        self.router_failed = False

    def pass_on_output(self) -> None:
        assert self._serve.stdout is not None
        for line in self._serve.stdout:
            self._dashboard = self._dashboard or find_dashboard(line)
            sys.stdout.write(line)
            sys.stdout.flush()

    def stop(self, config: dict[str, Any]) -> None:
        """Ends all answers first; told a second time, at once."""
        if self._dashboard and not self._stopping:
            self._stopping = True
            drain(self._dashboard, config, DRAIN_WITHIN_S)
        self._serve.send_signal(signal.SIGINT)

    def announce(self) -> None:
        while self._waiting and self._serve.poll() is None:
            for name, status, message in statuses(self._dashboard) if self._dashboard else ():
                if name in self._waiting and status in (RUNNING, FAILED):
                    self._waiting.discard(name)
                    self._tell(name, status, message)
            time.sleep(LOOK_EVERY_S)

    def _tell(self, name: str, status: str, message: str) -> None:
        if status == RUNNING:
            docs = "" if read_settings().production else f" (API at {self._url}/docs)"
            where = f" at {self._url}{docs}" if name == "router" else ""
            print(f"{name}: ready after {time.monotonic() - self._started:.0f} s{where}", flush=True)
            return
        print(f"{name}: failed: {message}", file=sys.stderr, flush=True)
        if name == "router":
            self.router_failed = True
            self._serve.send_signal(signal.SIGINT)


def find_dashboard(line: str) -> str | None:
    """Ray says where its dashboard is, in colours; the port moves when the usual one is taken."""
    found = re.search(r"dashboard at \S*?(http://[\w.:\[\]-]+)", line)
    return found[1] if found else None


def statuses(dashboard: str) -> list[tuple[str, str, str]]:
    """Name, status and message of each application; none while the cluster starts."""
    try:
        return [(name, app["status"], app["message"]) for name, app in applications(dashboard, LOOK_TIMEOUT_S).items()]
    except NO_ANSWER:
        return []


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
