"""A provider on a free local port. It speaks /v1/chat/completions and /v1/messages, and misbehaves when told to."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]
Usual = Callable[[str, dict[str, Any]], Behaviour]  # by path and body

CHAT_ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "fake",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
}
MESSAGE_ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "fake",
    "content": [{"type": "text", "text": "Paris"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3},
}


def sse(*payloads: Any, named: bool = False) -> bytes:
    """Events with these objects as data; Anthropic names each after its type."""
    lines = []
    for payload in payloads:
        data = payload.encode() if isinstance(payload, str) else orjson.dumps(payload)
        name = f"event: {payload['type']}\n".encode() if named else b""
        lines.append(name + b"data: " + data + b"\n\n")
    return b"".join(lines)


def chat_chunk(text: str | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice], **more}


def message_fault(kind: str, message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


CHAT_STREAM = sse(
    chat_chunk("Pa"),
    chat_chunk("ris"),
    chat_chunk(finish_reason="stop"),
    {"id": "chatcmpl-1", "choices": [], "usage": CHAT_ANSWER["usage"]},
    "[DONE]",
)
MESSAGE_EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "message_start", "message": {**MESSAGE_ANSWER, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Pa"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ris"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
)
MESSAGE_STREAM = sse(*MESSAGE_EVENTS, named=True)


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FakeUpstream:
    """`behaviours` are used up in order; when none is left it does the `usual`, which is what a provider should."""

    url: str = ""
    behaviours: list[Behaviour] = field(default_factory=list)
    usual: Usual = field(default_factory=lambda: _well_behaved)
    received: list[Received] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, body))
        behaviour = self.behaviours.pop(0) if self.behaviours else self.usual(request.path, body)
        try:
            return await behaviour(request)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()  # the client closed the connection before the answer was complete
            raise


def _well_behaved(path: str, body: dict[str, Any]) -> Behaviour:
    is_chat = path.endswith("/chat/completions")
    if body.get("stream"):
        return stream(CHAT_STREAM if is_chat else MESSAGE_STREAM)
    return answer(CHAT_ANSWER if is_chat else MESSAGE_ANSWER)


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Behaviour:
    """A whole answer: an object as JSON, bytes as they are."""

    async def behave(_: web.Request) -> web.StreamResponse:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(body=data, status=status, headers=headers, content_type="application/json")

    return behave


def stream(*pieces: bytes, pause_s: float = 0.0) -> Behaviour:
    """Each piece leaves in a packet of its own."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause_s)
        return response

    return behave


def cut_off(*pieces: bytes) -> Behaviour:
    """The connection is reset in the middle of the body, or before any answer if there are no pieces."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if pieces:
            await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.02)
        assert request.transport is not None
        request.transport.close()
        return response

    return behave


def hang(*pieces: bytes) -> Behaviour:
    """Sends the pieces, if any, then nothing, and never ends."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if pieces:
            await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        await asyncio.Event().wait()
        return response

    return behave


@asynccontextmanager
async def running_upstream() -> AsyncIterator[FakeUpstream]:
    fake = FakeUpstream()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/v1/chat/completions", fake.handle)
    app.router.add_post("/v1/messages", fake.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()


@contextmanager
def upstream_in_a_thread() -> Iterator[FakeUpstream]:
    """On a loop of its own, for what is not asynchronous."""
    loop, ready, box = asyncio.new_event_loop(), threading.Event(), list[FakeUpstream]()
    stop = asyncio.Event()

    async def run() -> None:
        async with running_upstream() as upstream:
            box.append(upstream)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield box[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
