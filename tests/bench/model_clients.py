"""Why the clients are built as they are: our OpenAI client beside the `openai` SDK, and the Anthropic SDK's transports.

    python -m tests.bench.model_clients

A server in a process of its own gives one fixed answer. Printed are requests a second at 32 connections, the median
time of one request alone, and the client's own processor time a request (the server may be what limits the first), best
of three rounds each; then how many times better the first row is.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from aiohttp import web

from app.completion import Prompt
from app.models.anthropic import AnthropicClient
from app.models.catalogue import ModelSpec
from app.models.openai import OpenAIClient, open_session
from tests.fakes.upstream import CHAT_ANSWER, MESSAGE_ANSWER

REQUESTS = 1500
ALONE = 300
CONNECTIONS = 32
ROUNDS = 3
MESSAGES: list[Any] = [{"role": "user", "content": "What is the capital of France? " * 20}]
PROMPT = Prompt(MESSAGES, {"max_tokens": 100})
Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Figures:
    requests_a_second: float
    alone_ms: float
    cpu_ms: float


def serve() -> None:
    """The server's process: prints its address, then answers until it is stopped."""

    async def chat(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(CHAT_ANSWER)

    async def messages(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(MESSAGE_ANSWER)

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        app.router.add_post("/v1/messages", messages)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def server() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", __spec__.name, "serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


async def measure(call: Call) -> Figures:
    rates, medians, cpu = [], [], []
    for _ in range(ROUNDS):
        medians.append(statistics.median([await _timed(call) for _ in range(ALONE)]))
        left = iter(range(REQUESTS))

        async def worker(left: Iterator[int] = left) -> None:
            for _ in left:
                await call()

        start, cpu_start = time.perf_counter(), time.process_time()
        await asyncio.gather(*[worker() for _ in range(CONNECTIONS)])
        rates.append(REQUESTS / (time.perf_counter() - start))
        cpu.append((time.process_time() - cpu_start) / REQUESTS)
    return Figures(max(rates), min(medians) * 1000, min(cpu) * 1000)


async def _timed(call: Call) -> float:
    start = time.perf_counter()
    await call()
    return time.perf_counter() - start


def spec(provider: str, url: str) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": "m",
            "provider": provider,
            "upstream_name": "fake",
            "base_url": url,
            "context_window_tokens": 1000,
            "capabilities": ["chat"],
            "quality_tier": "low",
            "expected_latency_ms": 1,
        }
    )


async def bench_openai(url: str) -> dict[str, Figures]:
    async with (
        open_session() as session,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as default,
        openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="x", http_client=openai.DefaultAioHttpClient()
        ) as with_aiohttp,
    ):
        ours = OpenAIClient(spec("openai-compatible", f"{url}/v1"), session, "x")

        def sdk(client: openai.AsyncOpenAI) -> Call:
            return lambda: client.chat.completions.create(model="fake", messages=MESSAGES, max_tokens=100)

        return {
            "OpenAIClient": await measure(lambda: ours.complete(PROMPT)),
            "openai SDK, httpx": await measure(sdk(default)),
            "openai SDK, aiohttp": await measure(sdk(with_aiohttp)),
        }


async def bench_anthropic(url: str) -> dict[str, Figures]:
    ours = AnthropicClient(spec("anthropic", url), "x")

    def sdk(client: anthropic.AsyncAnthropic) -> Call:
        return lambda: client.messages.create(model="fake", messages=MESSAGES, max_tokens=100)

    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key="x") as default,
        anthropic.AsyncAnthropic(
            base_url=url, api_key="x", http_client=anthropic.DefaultAioHttpClient()
        ) as with_aiohttp,
    ):
        results = {
            "AnthropicClient": await measure(lambda: ours.complete(PROMPT)),
            "anthropic SDK, httpx": await measure(sdk(default)),
            "anthropic SDK, aiohttp": await measure(sdk(with_aiohttp)),
        }
    await ours.close()
    return results


def report(results: dict[str, Figures]) -> None:
    first = next(iter(results.values()))
    for name, row in results.items():
        print(
            f"{name:24}"
            f"{row.requests_a_second:7.0f} /s at {CONNECTIONS} (x{first.requests_a_second / row.requests_a_second:.2f})"
            f"{row.alone_ms:8.2f} ms alone (x{row.alone_ms / first.alone_ms:.2f})"
            f"{row.cpu_ms:8.2f} ms of processor (x{row.cpu_ms / first.cpu_ms:.2f})"
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        with server() as address:
            report(asyncio.run(bench_openai(address)))
            report(asyncio.run(bench_anthropic(address)))
