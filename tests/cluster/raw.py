"""HTTP by hand over one connection: what a client library would refuse to send."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import urlsplit

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in small letters
    body: bytes


class RawClient:
    """Keeps its connection for as long as the server does."""

    def __init__(self, url: str, headers: Mapping[bytes, bytes]) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or 80
        self._usual = {b"host": parts.netloc.encode(), **headers}
        self._socket: socket.socket | None = None

    def post(self, path: str, headers: Mapping[bytes, bytes], body: bytes, *, chunks: int = 0) -> Answer:
        """In so many chunks, or whole with its length. A server that closed meanwhile is asked once more."""
        framed = {b"transfer-encoding": b"chunked"} if chunks else {b"content-length": str(len(body)).encode()}
        lines = [name + b": " + value for name, value in {**self._usual, **framed, **headers}.items()]
        head = b"\r\n".join([f"POST {path} HTTP/1.1".encode(), *lines, b"", b""])
        message = head + (_chunked(body, chunks) if chunks else body)
        fresh = self._socket is None
        try:
            return self._exchange(message)
        except (OSError, ValueError):
            if fresh:
                raise
            return self._exchange(message)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _exchange(self, message: bytes) -> Answer:
        """Raises OSError or ValueError when there is no whole answer."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=TIMEOUT_S)
        keep = False
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it had read all
                self._socket.sendall(message)
            response = HTTPResponse(self._socket, method="POST")
            with response:
                response.begin()
                body = response.read()
            keep = not response.will_close
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        finally:
            if not keep:
                self.close()


def _chunked(body: bytes, chunks: int) -> bytes:
    size = max(1, -(-len(body) // chunks))
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
