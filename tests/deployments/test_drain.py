"""Ending the applications, against a dashboard that speaks HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deployments import drain as module
from deployments.drain import drain

CONFIG = {"http_options": {"port": 8000}, "applications": [{"name": "router"}]}


class Dashboard(BaseHTTPRequestHandler):
    status: int
    given: list[Any]
    looks: list[Any]  # what each look finds; None is a look without an answer
    ended: threading.Event

    def do_PUT(self) -> None:
        self.given.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(self.status, b"")

    def do_GET(self) -> None:
        found = self.looks.pop(0)
        if found is None:
            self.ended.wait(10)
        else:
            self._answer(200, json.dumps({"applications": found}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def dashboard() -> Iterator[str]:
    Dashboard.status, Dashboard.given, Dashboard.looks, Dashboard.ended = 200, [], [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Dashboard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        Dashboard.ended.set()
        server.shutdown()


def test_a_look_without_an_answer_cuts_nothing_off(dashboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.3)
    Dashboard.looks = [None, {"router": {}}, {}]
    drain(dashboard, CONFIG, 60.0)
    assert Dashboard.given == [{**CONFIG, "applications": []}]
    assert Dashboard.looks == []


def test_a_refusal_is_told(dashboard: str, capsys: pytest.CaptureFixture[str]) -> None:
    Dashboard.status = 403
    drain(dashboard, CONFIG, 60.0)
    assert "answers under way may be cut" in capsys.readouterr().err


def test_nothing_is_waited_for_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    drain("http://127.0.0.1:1", CONFIG, 60.0)
    assert waits == []
    assert capsys.readouterr().err == ""
