"""What answers at the dashboard's address, and a configuration that somebody else changed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from app.errors import ConfigError, ReleaseConflict
from app.storage.releases import Draft, Part
from tests.train.publishing.test_deployed import DETAILS, METRICS
from train.publishing import serve_api
from train.publishing.push import found, push
from train.publishing.serve_api import ServeApi


@contextmanager
def answering(status: int, body: bytes = b"", metrics: str = "", key: str | None = None) -> Iterator[str]:
    """The same answer to all; without a `body` as a cluster whose router listens there too, with these `metrics`.

    Those are for whoever has the `key`.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            of_router = self.path.endswith("/metrics")
            self.send_response(401 if of_router and self.headers.get("x-api-key") != key else status)
            self.end_headers()
            self.wfile.write(metrics.encode() if of_router else body or cluster)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        cluster = orjson.dumps({**DETAILS, "http_options": {"host": "127.0.0.1", "port": server.server_port}})
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, b"", r"a Ray dashboard refuses this \(403\); it wants the cluster's token \(RAY_AUTH_TOKEN"),
        (500, b"broken", r"refuses the request \(500\): broken"),
        (200, b"<html>", "what answers there is no Ray dashboard; check --dashboard"),
        (200, b"[]", "what answers there is no Ray dashboard"),
        (200, b'{"applications": {}}', "runs no router that was deployed .* its applications: none"),
    ],
)
def test_what_is_no_cluster_with_a_router(status: int, body: bytes, words: str) -> None:
    with answering(status, body) as url, pytest.raises(ConfigError, match=f"^{url}: {words}"):
        ServeApi(url).read()


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_DASHBOARD_ADDRESS", "http://head:8265/")
    assert ServeApi().dashboard == "http://head:8265"
    assert ServeApi("http://other:1").dashboard == "http://other:1"
    with pytest.raises(ConfigError, match="--dashboard head:8265: is no address"):
        ServeApi("head:8265")


def test_what_is_live() -> None:
    with answering(200, metrics=METRICS) as url:
        assert found(ServeApi(url), Part.WEIGHTS) == Draft("1", {"version": "1"})
    with answering(200) as url, pytest.raises(ConfigError, match=r"which weights are live \(none answers\)"):
        found(ServeApi(url), Part.WEIGHTS)
    refused = METRICS.replace('weights_version="1"', 'weights_version="0"')
    with (
        answering(200, metrics=refused) as url,
        pytest.raises(ConfigError, match=r"holds weights 1, which .*: 0 is live"),
    ):
        found(ServeApi(url), Part.WEIGHTS)


def test_a_router_in_production_wants_an_admins_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, metrics=METRICS, key="lr-admin") as url:
        with pytest.raises(ConfigError, match=r"the router refuses this \(401\); it wants .* \(LLM_ROUTER_API_KEY\)"):
            found(ServeApi(url), Part.WEIGHTS)
        monkeypatch.setattr(serve_api, "environment", lambda: {"LLM_ROUTER_API_KEY": "lr-admin"})
        assert found(ServeApi(url), Part.WEIGHTS).version == "1"


def test_a_configuration_that_was_changed_meanwhile() -> None:
    draft, live = Draft("3", {"version": "3"}), Draft("2", {"version": "2"})
    with answering(200) as url, pytest.raises(ReleaseConflict, match="the weights of the cluster were changed"):
        push(ServeApi(url), Part.WEIGHTS, draft, live)
