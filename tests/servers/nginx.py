"""A real nginx with the shipped configs/nginx.conf."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.paths import project_path
from tests.servers.process import check_alive, free_port, running, tail, wait_until

START_S = 20.0
CONFIG, TLS = project_path("configs/nginx.conf"), project_path("configs/nginx-tls.conf")
Changes = Mapping[str, str]


@dataclass(frozen=True)
class Nginx:
    """`url` is where it listens. `tls_port` serves nobody without a tls.conf."""

    url: str
    tls_port: int
    log: Path


def nginx() -> str:
    """The path of nginx. Skips the test without it."""
    found = os.environ.get("NGINX") or shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light, or set NGINX to its path")
    return found


@contextmanager
def running_nginx(
    folder: Path, router_url: str, *, changes: Changes | None = None, files: Changes | None = None
) -> Iterator[Nginx]:
    """In front of `router_url`, on free ports, with its folder for /tmp. `changes` are replaced texts, each of which
    has to be there; `files` lie beside it."""
    port, tls_port, log = free_port(), free_port(), folder / "nginx.log"
    here = {
        "server router:8000;": f"server {urlsplit(router_url).netloc};",
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/tmp/": f"{folder}/",
        **(changes or {}),
    }
    config = _changed(CONFIG.read_text(), here)
    for name, text in {"nginx.conf": config, **(files or {})}.items():
        (folder / name).write_text(text.replace("listen 8443 ssl;", f"listen 127.0.0.1:{tls_port} ssl;"))
    user = "user root; " if os.geteuid() == 0 else ""  # a test's folder is closed to other users
    command = [nginx(), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", f"{user}daemon off;"]
    with running(command, log, {}) as process:

        def answers() -> bool:
            check_alive(process, log)
            try:
                return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(answers, START_S, f"nginx's first answer; its log ends with\n{tail(log)}")
        yield Nginx(f"http://127.0.0.1:{port}", tls_port, log)


def _changed(text: str, changes: Changes) -> str:
    for old, new in changes.items():
        assert old in text, f"{CONFIG.name} has no {old!r}"
        text = text.replace(old, new)
    return text
