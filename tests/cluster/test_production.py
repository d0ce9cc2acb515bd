"""APP_ENV=production on a real cluster: who gets in, what everybody is told, and what nobody is told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.keys.ring import FRESH_S
from app.paths import PROJECT
from tests.cluster.production import HOST, Production
from tests.cluster.raw import RawClient
from tests.fakes.upstream import FakeUpstream, answer
from tests.servers.process import wait_until

pytestmark = pytest.mark.cluster

CHAT, COMPLETIONS, HEALTH, MODELS = "/api/v1/chat", "/v1/chat/completions", "/api/v1/health", "/v1/models"
ASK = {"query": "Is 91 a prime number?", "user_id": "u", "model": "medium"}
ADMIN = ["/api/v1/metrics", "/api/v1/policy", "/api/v1/stats", "/openapi.json"]
SAFE = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


def test_what_only_the_operator_knows_has_to_be_said() -> None:
    unset = dict.fromkeys(("DATABASE_URL", "TRUSTED_HOSTS", "STORE_TEXT"), "")
    command = [sys.executable, "-m", "deployments.launch", "serve_config.yaml"]
    variables = {**os.environ, **unset, "APP_ENV": "production"}
    done = subprocess.run(command, env=variables, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for name in unset:
        assert f"APP_ENV=production: {name} is not set; write " in done.stderr


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("key", [None, "sk-none", "lr-000000000000-" + "0" * 64])
def test_without_a_good_key(production: Production, path: str, key: str | None) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    response = production.cluster.http.post(path, content=b"{", headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    error = response.json()["error"]
    assert (error["code"], "type" in error) == ("invalid_api_key", path == COMPLETIONS)


def test_a_key_is_bound_to_its_tenant_and_tier(production: Production) -> None:
    with production.http("pro") as pro, production.http("free") as free, production.http("admin") as admin:
        response = pro.post(CHAT, json=ASK)
        stored = f"/api/v1/requests/{response.headers['x-llm-router-request-id']}"
        wait_until(lambda: pro.get(stored).status_code == 200, 20, "the decision in the database")
        assert pro.get(stored).json()["decision"]["tier"] == "pro"
        assert free.get(stored).status_code == 404
        assert free.get(stored, headers={"x-tenant-id": "acme"}).status_code == 403
        assert admin.get(stored, headers={"x-tenant-id": "acme"}).status_code == 200
        assert pro.post(CHAT, json={**ASK, "user_tier": "enterprise"}).status_code == 403
        assert pro.post(CHAT, json={**ASK, "user_tier": "free"}).status_code == 200


@pytest.mark.parametrize("path", ADMIN)
def test_what_shows_all_tenants_wants_an_admins_key(production: Production, path: str) -> None:
    with production.http("pro") as pro, production.http("admin") as admin:
        assert (pro.get(path).status_code, admin.get(path).status_code) == (403, 200)
    assert production.cluster.http.get(path).status_code == 401


def test_docs_are_off_and_health_tells_strangers_nothing(production: Production) -> None:
    with production.http("admin") as admin:
        assert [admin.get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]
    stranger = production.cluster.http.get(HEALTH).json()
    assert (stranger["version"], stranger["services"]) == (None, {})


def test_only_trusted_names_reach_it(production: Production) -> None:
    statuses = {}
    for host in ("127.0.0.1", HOST, f"{HOST}:443", "evil.com", f"{HOST}.evil.com"):
        response = production.cluster.http.get(HEALTH, headers={"host": host})
        statuses[host] = response.status_code
    assert list(statuses.values()) == [200, 200, 200, 400, 400]
    assert response.json()["error"]["code"] == "untrusted_host"
    assert SAFE.items() <= dict(response.headers).items()


def test_every_answer_has_safe_headers_and_no_cors(production: Production) -> None:
    stream, large = {**ASK, "stream": True}, {**ASK, "query": "x" * 11_000_000}
    cross = {"origin": "https://evil.com", "access-control-request-method": "POST"}
    with production.http("pro") as http:
        answers = [
            http.post(CHAT, json=ASK, headers=cross),
            http.post(CHAT, json=stream, headers=cross),
            production.cluster.http.post(CHAT, json=ASK),
            http.get(ADMIN[0]),
            http.get("/nope"),
            http.options(CHAT, headers=cross),
            http.head(MODELS),
            http.post(CHAT, json=large),
            http.post(CHAT, json={}),
        ]
    assert [one.status_code for one in answers] == [200, 200, 401, 403, 404, 405, 405, 413, 422]
    for one in answers:
        assert SAFE.items() <= dict(one.headers).items(), one
        assert one.headers.get_list("x-request-id") == [one.headers["x-llm-router-request-id"]]
        assert not [name for name in one.headers if name.startswith("access-control")]
    assert answers[5].headers["allow"] == "POST"


def test_a_revoked_key_is_refused(production: Production) -> None:
    """It was good, and was revoked when the router had just looked it up."""
    with production.http("revoked") as http:
        wait_until(lambda: http.get(MODELS).status_code == 401, FRESH_S + 10, "the refusal")
        assert "was revoked on" in http.get(MODELS).json()["error"]["message"]


def test_secrets_are_told_to_nobody(production: Production, upstream: FakeUpstream) -> None:
    """Neither by answers, with a provider's that quotes its key, nor by any log of the cluster."""
    quoting = answer({"error": {"message": f"Incorrect API key: {production.variables['TEST_KEY']}"}}, 400)
    upstream.behaviours.append(quoting)
    shown = [json.dumps(production.cluster.applications()).encode()]
    with production.http("admin") as admin:
        shown.append(admin.post(CHAT, json={**ASK, "cache": False}).content)
        for path in (HEALTH, MODELS, "/api/v1/models", *ADMIN):
            response = admin.get(path)
            assert response.status_code == 200
            shown.append(response.content)
    token = production.keys["pro"].encode()
    raw = RawClient(production.url, {b"x-api-key": token + b"\xff", b"authorization": b"Bearer " + token[:-1]})
    shown.append(raw.post(CHAT, {}, b"{}").body)
    raw.close()
    logs = [path for path in session(production).rglob("*") if path.is_file()]
    assert any(path.name.startswith("replica_router_Ingress") or "serve" in str(path) for path in logs)
    for path in (*logs, production.cluster.log):
        shown.append(path.read_bytes())
        assert not [secret for secret in production.secrets if secret.encode() in shown[-1]], path
    assert not [secret for secret in production.secrets for text in shown if secret.encode() in text]


def session(production: Production) -> Path:
    """The folder of the logs of its Ray cluster."""
    (pid,) = production.cluster.replica_pids("Ingress")
    opened = [Path(file.path) for file in psutil.Process(pid).open_files()]
    return next(parent for path in opened for parent in path.parents if parent.name == "logs")
