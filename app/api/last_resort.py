"""What nobody expected becomes an answer like any other, behind the headers that every answer gets."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import errors
from app.api.request import request_id


class LastResort:
    """Nothing gets past it: the server's own log would show the error's message, which may quote the prompt."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            request = Request(scope)
            ours = errors.public(error, request_id(request))
            if begun:  # too late for another status: the connection breaks off
                raise RuntimeError(f"request {request_id(request)} failed after its answer had begun") from None
            await errors.answer(request, ours)(scope, receive, send)
