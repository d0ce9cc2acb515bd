"""The other gateways, as they are shipped, before the same upstream. Installed outside the tree, on first use."""

import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from app.artifacts.cache import cache_root
from tests.bench.gateways.upstream import MODEL, Upstream
from tests.servers.process import Process, check_alive, free_port, running, wait_until

LITELLM, PORTKEY = "litellm[proxy]==1.106.2", "@portkey-ai/gateway@1.15.2"
START_S = 120.0
KEY = "sk-x"


@dataclass(frozen=True)
class Gateway:
    """Where it is asked, with `headers`, by the upstream that it then calls; `pid` is the root of its processes."""

    name: str
    url: str
    pid: int
    headers: Mapping[str, Mapping[str, str]]
    models: Mapping[str, str] = field(default_factory=dict)
    streams: bool = True

    def body(self, upstream: str, text: str, **more: Any) -> dict[str, Any]:
        model = self.models.get(upstream, MODEL)
        return {"model": model, "messages": [{"role": "user", "content": text}], **more}


@contextmanager
def running_litellm(folder: Path, upstream: Upstream) -> Iterator[Gateway]:
    """With one worker."""
    program = _home("litellm") / "bin" / "litellm"
    if not program.exists():
        subprocess.check_call([sys.executable, "-m", "venv", str(_home("litellm"))])
        subprocess.check_call([str(program.parent / "pip"), "install", "-q", LITELLM])
    models = {name: f"{MODEL}-{name}" for name in upstream.urls}
    parameters = {
        name: {"model": f"openai/{MODEL}", "api_base": url, "api_key": KEY} for name, url in upstream.urls.items()
    }
    listed = [{"model_name": models[name], "litellm_params": parameters[name]} for name in models]
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(yaml.safe_dump({"model_list": listed}))
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    log = folder / "litellm.log"
    with running(command, log, {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}) as process:
        _wait(process, log, f"http://127.0.0.1:{port}/health/liveliness")
        headers = {name: {"authorization": f"Bearer {KEY}"} for name in models}
        yield Gateway("LiteLLM", f"http://127.0.0.1:{port}", process.pid, headers, models)


@contextmanager
def running_portkey(folder: Path, upstream: Upstream) -> Iterator[Gateway]:
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing, which Portkey's gateway needs: leave it out by --only, or install Node.js")
    home = _home("portkey")
    program = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    if not program.exists():
        subprocess.check_call(["npm", "install", "--silent", "--prefix", str(home), PORTKEY])
    port, log = free_port(), folder / "portkey.log"
    with running(["node", str(program), "--headless", f"--port={port}"], log, {}) as process:
        _wait(process, log, f"http://127.0.0.1:{port}/")
        usual = {"authorization": f"Bearer {KEY}", "x-portkey-provider": "openai"}
        headers = {name: {**usual, "x-portkey-custom-host": url} for name, url in upstream.urls.items()}
        # This version answers every stream of its provider `openai` with 500: "TypeError: immutable" (Node.js 20).
        yield Gateway("Portkey", f"http://127.0.0.1:{port}", process.pid, headers, streams=False)


def _home(name: str) -> Path:
    folder = cache_root() / "gateways" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _wait(process: Process, log: Path, url: str) -> None:
    def answers() -> bool:
        check_alive(process, log)
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    wait_until(answers, START_S, f"an answer of {url}")
