"""Who names a request. Serve gives one without X-Request-ID an id, and always answers with the id that it found.

Behind Serve nobody can tell such an id from a client's. So ours comes first: `edge` runs before Serve's own middleware,
in each process that takes requests from outside.
"""

import os

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.request import REQUEST_ID
from app.ids import new_id
from deployments.environment import EDGE
from deployments.refusals import Refusals

OWN, GIVEN = b"x-llm-router-request-id", b"x-request-id"
# A client is not to tell Serve these. Of some it takes `-` for `_`, and fails on a value that is no UTF-8.
SERVES = {
    b"x_request_timeout_seconds",
    b"x_request_disconnect_disabled",
    b"x_session_id",
    b"serve_multiplexed_model_id",
}


def edge() -> list[Middleware]:
    """The last one comes first."""
    return [Middleware(Refusals, OWN), Middleware(Edge)]


class Edge:
    """Gives every request our id, which is also its X-Request-ID where the client sent none, or a malformed one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            own = new_id().encode()
            given = next((value for name, value in scope["headers"] if name == GIVEN), b"")
            id_ = given if REQUEST_ID.fullmatch(given.decode("latin-1")) else own
            others = [header for header in scope["headers"] if _is_a_clients(header[0])]
            scope = {**scope, "headers": [*others, (GIVEN, id_), (OWN, own)]}
        await self._app(scope, receive, send)


def _is_a_clients(name: bytes) -> bool:
    return name not in (OWN, GIVEN) and name.replace(b"-", b"_") not in SERVES


class BehindServe:
    """Around our API: takes our id from the edge, and leaves the X-Request-ID of answers to Serve, which adds it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._has_edge = EDGE.items() <= os.environ.items()  # without it, the header would be a client's

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [header for header in message["headers"] if header[0] != GIVEN]
            await send(message)

        if scope["type"] == "http" and self._has_edge:
            own = next((value for name, value in scope["headers"] if name == OWN), None)
            if own is not None:
                scope.setdefault("state", {})["request_id"] = own.decode()
        await self._app(scope, receive, send_without)
