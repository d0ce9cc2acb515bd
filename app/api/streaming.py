"""Answers as server-sent events, whose source is closed whatever ends them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from time import monotonic

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.chat import StreamedAnswer

BEAT_S = 2.0
BEAT = b": the model is still at it\n\n"


class EventStream(StreamingResponse):
    """`events` reads `answer.chunks`. A client that leaves stops both at once: waiting for the garbage collector to
    close an abandoned generator would leave the call to the provider open for as long.

    While the model is silent, a comment goes out every BEAT_S seconds, which clients pass over. It keeps proxies from
    taking the stream for dead, and is how a proxy finds out that its client has left: HAProxy does not look for that
    before it has something to send.
    """

    def __init__(self, events: AsyncGenerator[bytes, None], answer: StreamedAnswer, headers: Mapping[str, str]) -> None:
        super().__init__(events, 200, headers, "text/event-stream")
        self._events = events
        self._chunks = answer.chunks
        self._over = False
        self._last_sent = monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._close()))

    async def stream_response(self, send: Send) -> None:
        async def noted(message: Message) -> None:
            self._last_sent = monotonic()
            self._over = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        beats = asyncio.create_task(self._beat(send))
        try:
            await super().stream_response(noted)
        finally:
            beats.cancel()

    async def _beat(self, send: Send) -> None:
        while not self._over:
            silent_s = monotonic() - self._last_sent
            if silent_s >= BEAT_S:
                self._last_sent = monotonic()
                await send({"type": "http.response.body", "body": BEAT, "more_body": True})
            else:
                await asyncio.sleep(BEAT_S - silent_s)

    async def _close(self) -> None:
        await self._events.aclose()
        await self._chunks.aclose()  # a generator that never began does not close what it would have read
