"""Headers: how many come in, and which go out with every answer."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import errors
from app.errors import HeadersTooLarge

MAX_HEADERS, MAX_HEADER_BYTES = 100, 16_384
USUAL = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),  # answers are one tenant's
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
CSP = b"content-security-policy"
OF_DATA = CSP, b"default-src 'none'; frame-ancestors 'none'"
OF_PAGES = CSP, b"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # /docs loads scripts
HSTS = b"strict-transport-security", b"max-age=31536000"


class SafeHeaders:
    """`tls_in_front`: whoever asks came over TLS, and is told never to come without it."""

    def __init__(self, app: ASGIApp, *, tls_in_front: bool) -> None:
        self._app = app
        self._usual = (*USUAL, HSTS) if tls_in_front else USUAL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                page = (b"content-type", b"text/html; charset=utf-8") in message["headers"]
                message["headers"] = [*message["headers"], *self._usual, OF_PAGES if page else OF_DATA]
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _too_large(scope):
            error = HeadersTooLarge(
                f"more than {MAX_HEADERS} headers, or {MAX_HEADER_BYTES:,} bytes of them; send less"
            )
            await errors.answer(Request(scope), error)(scope, receive, send_safe)
        else:
            await self._app(scope, receive, send_safe)


def _too_large(scope: Scope) -> bool:
    headers = scope["headers"]
    return len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES
