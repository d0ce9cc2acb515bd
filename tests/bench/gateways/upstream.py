"""The provider that all gateways stand before: nginx (a Debian package), which answers at once, and a paced stream."""

import asyncio
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from aiohttp import web

from tests.fakes.upstream import CHAT_ANSWER, chat_chunk, sse
from tests.servers.process import Process, check_alive, free_port, running, wait_until

START_S = 20.0
CHUNKS = 100  # of the stream that comes at once
PACED_CHUNKS, PACE_S = 5, 0.02
MODEL = "gpt-4"  # a name that every gateway knows
CONFIG = """
{user} worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; keepalive_requests 100000000;
  server {{
    listen 127.0.0.1:{port};
    location = /v1/chat/completions {{ default_type application/json; return 200 '{answer}'; }}
    location /burst/ {{ root {folder}; default_type text/event-stream; error_page 405 =200 $uri; }}
  }}
}}
"""


@dataclass(frozen=True)
class Upstream:
    """Base URLs: `whole` answers, `burst` streams at once, `paced` streams a chunk every PACE_S."""

    whole: str
    burst: str
    paced: str

    @property
    def urls(self) -> dict[str, str]:
        return asdict(self)


@contextmanager
def running_upstream(folder: Path) -> Iterator[Upstream]:
    if shutil.which("nginx") is None:
        sys.exit("nginx is missing: apt-get install nginx")
    folder.mkdir()
    port, paced = free_port(), free_port()
    answer = json.dumps({**CHAT_ANSWER, "model": MODEL})
    stream = folder / "burst/v1/chat/completions"
    stream.parent.mkdir(parents=True)
    stream.write_bytes(
        sse(*(chat_chunk(f"word{n} ") for n in range(CHUNKS)), chat_chunk(finish_reason="stop"), "[DONE]")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # who may read the folder
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, answer=answer, user=user))
    nginx = ["nginx", "-e", str(folder / "nginx.err"), "-c", str(config)]
    program = [sys.executable, "-m", "tests.bench.gateways.upstream", str(paced)]
    logs = folder / "nginx.log", folder / "paced.log"
    urls = Upstream(f"http://127.0.0.1:{port}/v1", f"http://127.0.0.1:{port}/burst/v1", f"http://127.0.0.1:{paced}/v1")
    with running(nginx, logs[0], {}) as one, running(program, logs[1], {}) as two:
        for url, process, log in ((urls.whole, one, logs[0]), (urls.paced, two, logs[1])):
            wait_until(partial(_answers, url, process, log), START_S, f"the upstream at {url}")
        yield urls


def _answers(url: str, process: Process, log: Path) -> bool:
    check_alive(process, log)
    request = urllib.request.Request(f"{url}/chat/completions", b"{}", {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


async def _paced(request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(PACED_CHUNKS):
        await response.write(sse(chat_chunk(f"word{number} ")))
        await asyncio.sleep(PACE_S)
    await response.write(sse(chat_chunk(finish_reason="stop"), "[DONE]"))
    return response


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/v1/chat/completions", _paced)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
