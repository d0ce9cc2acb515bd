"""An HTTP server that keeps what it gets, and the connection that it came by."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """Header names are in lower case. `connection` is the port that it came from."""

    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Backend:
    """Within `holding`, no answer leaves."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def holding(self) -> Iterator[None]:
        self.go_on.clear()
        self.held.set()
        try:
            yield
        finally:
            self.held.clear()
            self.go_on.set()


@contextmanager
def running_backend() -> Iterator[Backend]:
    backend = Backend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            backend.requests.append(Request(self.path, headers, body, self.client_address[1]))
            if backend.held.is_set():
                backend.go_on.wait(60)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Not into the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    backend.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield backend
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
