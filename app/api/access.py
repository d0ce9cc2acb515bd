"""Who asks: the API key of a request, before anything else of it is looked at."""

from collections.abc import Iterable

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import errors
from app.errors import RouterError, StorageUnavailable, Unauthorized
from app.keys.key import PREFIX, ApiKey
from app.keys.ring import KeyRing

HEALTH = "/api/v1/health"  # a load balancer has no key; it is told little without one
NO_KEY = (
    "this router asks for an API key: send it as `Authorization: Bearer lr-...` or `x-api-key: lr-...`; the operator "
    "makes one with `python -m app.keys create`"
)


class Access:
    """Puts the key into `request.state.key`, or refuses. Without `required`, a request without a key has None there."""

    def __init__(self, app: ASGIApp, ring: KeyRing, *, required: bool) -> None:
        self._app = app
        self._ring = ring
        self._required = required

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                scope.setdefault("state", {})["key"] = await self._key(scope)
            except RouterError as error:
                await errors.answer(Request(scope), error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _key(self, scope: Scope) -> ApiKey | None:
        """Where no key is asked for, what is not one of ours is a placeholder: SDKs insist on sending something."""
        health = scope["path"].removeprefix(scope.get("root_path", "")) == HEALTH
        token = _token(scope["headers"])
        if token is None or not (self._required or token.startswith(PREFIX)):
            if self._required and not health:
                raise Unauthorized(NO_KEY)
            return None
        try:
            return await self._ring.find(token)
        except StorageUnavailable:
            if health:
                return None
            raise


def _token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Of two, the one that looks like ours: some clients always send both."""
    found = None
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            value = value[7:].strip()
        elif name != b"x-api-key":
            continue
        if value and (found is None or not found.startswith(PREFIX)):
            found = value.decode("latin-1")
    return found
