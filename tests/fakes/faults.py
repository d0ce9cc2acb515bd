"""How a provider fails: the `usual` of an upstream that does what its `fault` says."""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import orjson
from aiohttp import web

from tests.fakes.echo import Echo
from tests.fakes.upstream import CHAT_ANSWER, Behaviour, answer, chat_chunk, cut_off, hang, sse, stream

STATUSES = (500, 502, 503, 429)
ERROR_SHARE = (True, False, False, True, False, False, True, False, False, False)  # 30 %
DRIP_S = 1.0
NUMBER_FOR_A_TEXT = {"choices": [{"message": {"content": 42}, "delta": {"content": 42}}]}
WORD_FOR_A_NUMBER = {
    "choices": [{"message": {"content": "x"}, "delta": {"content": "x"}}],
    "usage": {"prompt_tokens": "many"},
}
GARBAGE: tuple[bytes, ...] = (
    b"<html>Bad gateway</html>",
    b"[]",
    b'{"choices": [',
    b'{"object": "chat.completion"}',
    b'{"choices": 7}',
    b'{"choices": [null]}',
    orjson.dumps(NUMBER_FOR_A_TEXT),
    orjson.dumps(WORD_FOR_A_NUMBER),
    b"\xff\xfe\x00",
    b"",
)


@dataclass
class Faults:
    """`fault` is None, errors, hang, half, garbage, drip or reset. Without one each answer is the echo, `delay_s` late.

    Every second stream that hangs, drips, is reset or cut is so after its first chunk.
    """

    fault: str | None = None
    delay_s: float = 0.0
    echo: Echo = field(default_factory=Echo)
    _begun: Any = field(default_factory=lambda: cycle((False, True)))
    _failing: Any = field(default_factory=lambda: cycle(ERROR_SHARE))
    _statuses: Any = field(default_factory=lambda: cycle(STATUSES))
    _garbage: Any = field(default_factory=lambda: cycle(GARBAGE))

    def __call__(self, path: str, body: dict[str, Any]) -> Behaviour:
        streamed = bool(body.get("stream"))
        first = (sse(chat_chunk("Pa")),) if streamed and next(self._begun) else ()
        match self.fault:
            case "errors" if next(self._failing):
                return answer({"error": {"message": "no"}}, next(self._statuses))
            case "hang":
                return hang(*first)
            case "half":
                return cut_off(*(first if streamed else (orjson.dumps(CHAT_ANSWER)[:60],)))
            case "garbage":
                return _garbled(next(self._garbage), streamed=streamed)
            case "drip":
                return stream(*first, *_bytes(sse(chat_chunk("ris")) * 9), pause_s=DRIP_S)
            case "reset":
                return _reset(*first)
        return _late(self.delay_s, self.echo(path, body))


def _late(delay_s: float, behaviour: Behaviour) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(delay_s)
        return await behaviour(request)

    return behave


def _bytes(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


def _garbled(data: bytes, *, streamed: bool) -> Behaviour:
    async def behave(_: web.Request) -> web.StreamResponse:
        body = b"data: " + data + b"\n\ndata: [DONE]\n\n" if streamed else data
        return web.Response(body=body, content_type="text/html")

    return behave


def _reset(*pieces: bytes) -> Behaviour:
    """The provider's machine answers with RST, as when its process died."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        for piece in pieces:
            await response.prepare(request)
            await response.write(piece)
            await asyncio.sleep(0.02)
        assert request.transport is not None
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
        return response

    return behave
