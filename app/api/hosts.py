"""By which names the router may be called."""

from collections.abc import Sequence

from fastapi import Request
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import errors
from app.errors import UntrustedHost

TRUSTED = "llm_router.trusted"


class TrustedHosts:
    """Starlette's check, refused in our words."""

    def __init__(self, app: ASGIApp, *, allowed: Sequence[str]) -> None:
        self._app = app
        self._check = TrustedHostMiddleware(_passed, allowed, www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":  # nothing else has anything to ask for here
            await self._check(scope, receive, _unsaid)
        if scope["type"] != "http" or scope.pop(TRUSTED, False):
            await self._app(scope, receive, send)
        else:
            error = UntrustedHost("the Host header is no name of this router; the operator lists them in TRUSTED_HOSTS")
            await errors.answer(Request(scope), error)(scope, receive, send)


async def _passed(scope: Scope, _receive: Receive, _send: Send) -> None:
    scope[TRUSTED] = True


async def _unsaid(_: Message) -> None:
    """Starlette's own refusal, which is not JSON."""
