"""What Serve itself answers, in plain text, said as the API says it: a client reads one shape of errors."""

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import error_body

OWN_PATHS = "/-/"  # Serve's, for its proxy
RETRY_AFTER_S = b"1"  # where Serve does not say
WORDS = {
    404: ("not_found", "no application answers here: the router is starting, or has been deleted"),
    408: ("timed_out", "the request took longer than allowed"),
    429: ("overloaded", "the router has as many requests as it takes; send this one again after Retry-After seconds"),
    503: ("unavailable", "no replica of the router takes this request now; send it again after Retry-After seconds"),
}
OTHER = "internal_error", "the router failed on this request; its log has more"


class Refusals:
    """Before everything that answers in plain text, and behind what gives requests their id."""

    def __init__(self, app: ASGIApp, id_header: bytes) -> None:
        self._app = app
        self._id_header = id_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes | None = None

        async def in_our_words(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start" and _is_serves(message):
                id_ = next((value for name, value in scope["headers"] if name == self._id_header), b"")
                body = _body(scope["path"], message["status"], id_.decode())
                message["headers"] = [*_headers(message, body), (self._id_header, id_)]
            elif message["type"] == "http.response.body" and body is not None:
                message = {**message, "body": body}
                body = b""  # what comes in parts is said once
            await send(message)

        own = scope["type"] == "http" and not scope["path"].startswith(OWN_PATHS)
        await self._app(scope, receive, in_our_words if own else send)


def _body(path: str, status: int, id_: str) -> bytes:
    code, words = WORDS.get(status, OTHER)
    return orjson.dumps(error_body(path, status, code, words, None, id_))


def _is_serves(message: Message) -> bool:
    """Errors of ours have a type, and it is JSON."""
    return message["status"] >= 400 and all(
        value.startswith(b"text/plain") for name, value in message["headers"] if name == b"content-type"
    )


def _headers(message: Message, body: bytes) -> list[tuple[bytes, bytes]]:
    kept = {name: value for name, value in message["headers"] if name not in (b"content-type", b"content-length")}
    if message["status"] in (429, 503):
        kept.setdefault(b"retry-after", RETRY_AFTER_S)
    return [*kept.items(), (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
