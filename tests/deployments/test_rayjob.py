"""Runs of a suspended RayJob, against an API server that speaks HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigError
from deployments.rayjob import ApiServer, main, run_of

TEMPLATE = {
    "apiVersion": "ray.io/v1",
    "kind": "RayJob",
    "metadata": {"name": "retrain", "namespace": "here", "resourceVersion": "7", "uid": "u"},
    "spec": {"suspend": True, "entrypoint": "true", "jobId": "old", "shutdownAfterJobFinishes": True},
    "status": {"jobDeploymentStatus": "Suspended"},
}


class Kubernetes(BaseHTTPRequestHandler):
    made: list[dict[str, Any]]

    def do_GET(self) -> None:
        known = self.path == "/apis/ray.io/v1/namespaces/here/rayjobs/retrain"
        self._answer(200 if known else 404, TEMPLATE if known else {"message": "rayjobs.ray.io not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer t0ken":
            return self._answer(403, {"message": "cannot create resource rayjobs"})
        self.made.append(body)
        return self._answer(201, {**body, "metadata": {"name": f"{body['metadata']['generateName']}x7"}})

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def kubernetes() -> Iterator[str]:
    Kubernetes.made = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubernetes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("t0ken\n")
    (tmp_path / "namespace").write_text("here")
    return tmp_path


def test_a_run_is_a_copy_that_is_not_suspended(kubernetes: str, account: Path) -> None:
    server = ApiServer(kubernetes, account)
    started = server.create(run_of(server.get("retrain")))
    assert started["metadata"]["name"] == "retrain-x7"
    assert Kubernetes.made == [
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "metadata": {"generateName": "retrain-", "labels": {"app": "llm-router", "template": "retrain"}},
            "spec": {"entrypoint": "true", "shutdownAfterJobFinishes": True},
        }
    ]


def test_what_runs_by_itself_is_no_template() -> None:
    with pytest.raises(ConfigError, match="RayJob retrain is not suspended"):
        run_of({**TEMPLATE, "spec": {"entrypoint": "true"}})


def test_a_refusal_says_what_was_refused(kubernetes: str, account: Path) -> None:
    with pytest.raises(ConfigError, match=r"rayjobs/tune: refused \(404\): .*not found"):
        ApiServer(kubernetes, account).get("tune")
    (account / "token").write_text("other")
    with pytest.raises(ConfigError, match=r"refused \(403\): .*cannot create"):
        ApiServer(kubernetes, account).create(run_of(TEMPLATE))


def test_outside_a_pod_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert main("retrain") == 1
    assert "this runs in a pod" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="automountServiceAccountToken"):
        ApiServer("http://127.0.0.1:1", tmp_path)
