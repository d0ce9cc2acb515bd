"""A provider in a process of its own, whose endpoints fail when told to: `python -m tests.servers.provider PORT`.

Each endpoint NAME speaks /NAME/v1/chat/completions.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
from aiohttp import web

from tests.fakes.faults import Faults
from tests.servers.process import check_alive, free_port, running, wait_until

START_S = 30.0


@dataclass
class Endpoint:
    """`url` is that of the endpoint. Told over HTTP how to behave."""

    url: str

    def fail(self, fault: str) -> None:
        self._tell(fault=fault)

    def answer(self, *, delay_s: float = 0.0, pieces: int = 2, pause_s: float = 0.0) -> None:
        """As it should, `delay_s` late, and streamed in so many pieces with pauses."""
        self._tell(delay_s=delay_s, pieces=pieces, pause_s=pause_s)

    def under_way(self) -> int:
        """Calls that have not ended."""
        return int(httpx.get(f"{self.url}/under_way").raise_for_status().json())

    def _tell(self, **how: object) -> None:
        httpx.put(f"{self.url}/behaviour", json=how).raise_for_status()


@contextmanager
def running_provider(folder: Path) -> Iterator[str]:
    """Its address."""
    port, log = free_port(), folder / "provider.log"
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "tests.servers.provider", str(port)], log, {}) as process:

        def answers() -> bool:
            check_alive(process, log)
            try:
                return Endpoint(f"{url}/any").under_way() == 0
            except httpx.HTTPError:
                return False

        wait_until(answers, START_S, "the provider")
        yield url


class Endpoints:
    """All that one process serves."""

    def __init__(self) -> None:
        self._faults: defaultdict[str, Faults] = defaultdict(Faults)
        self._under_way: defaultdict[str, int] = defaultdict(int)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/{name}/v1/chat/completions", self._chat),
            web.put("/{name}/behaviour", self._behave),
            web.get("/{name}/under_way", self._count),
        ]

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        name, body = request.match_info["name"], orjson.loads(await request.read())
        self._under_way[name] += 1
        try:
            return await self._faults[name](request.path, body)(request)
        finally:
            self._under_way[name] -= 1

    async def _behave(self, request: web.Request) -> web.Response:
        told, faults = await request.json(), self._faults[request.match_info["name"]]
        faults.fault, faults.delay_s = told.get("fault"), told.get("delay_s", 0.0)
        faults.echo.pieces, faults.echo.pause_s = told.get("pieces", 2), told.get("pause_s", 0.0)
        return web.Response()

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response(self._under_way[request.match_info["name"]])


async def serve(port: int) -> None:
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_routes(Endpoints().routes())
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
