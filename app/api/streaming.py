"""Answers as server-sent events, whose source is closed whatever ends them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.chat import StreamedAnswer


class EventStream(StreamingResponse):
    """`events` reads `answer.chunks`. A client that leaves stops both at once: waiting for the garbage collector to
    close an abandoned generator would leave the call to the provider open for as long.
    """

    def __init__(self, events: AsyncGenerator[bytes, None], answer: StreamedAnswer, headers: Mapping[str, str]) -> None:
        super().__init__(events, 200, headers, "text/event-stream")
        self._events = events
        self._chunks = answer.chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._close()))

    async def _close(self) -> None:
        await self._events.aclose()
        await self._chunks.aclose()  # a generator that never began does not close what it would have read
