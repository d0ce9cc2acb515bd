"""What is kept of requests: decisions and outcomes, ratings, statistics, metrics, and the end of a user's data."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.app.api.test_chat import leave_early
from tests.fakes.router import FakeRouter
from tests.fakes.upstream import answer, chat_chunk, hang, sse

CHAT, COMPLETIONS = "/api/v1/chat", "/v1/chat/completions"
GOOD = {"query": "hello", "user_id": "u"}


async def ask(router: FakeRouter, tenant: str = "default", **changes: Any) -> str:
    response = await router.http.post(CHAT, json={**GOOD, **changes}, headers={"x-tenant-id": tenant})
    assert response.status_code == 200
    return response.headers["x-request-id"]


async def explained(router: FakeRouter, id_: str, tenant: str = "default") -> dict[str, Any]:
    """Once the outcome is there: it follows the answer."""
    for _ in range(100):
        response = await router.http.get(f"/api/v1/requests/{id_}", headers={"x-tenant-id": tenant})
        body: dict[str, Any] = response.json()
        if response.status_code == 200 and body["outcome"]:
            return body
        await asyncio.sleep(0.05)
    raise AssertionError(f"no outcome of {id_}")


async def test_a_decision_is_stored_before_its_answer_returns(router: FakeRouter) -> None:
    id_ = await ask(router)
    found = await router.store.repository.explain("default", id_)
    assert found is not None
    assert found.decision is not None
    assert (found.decision.user_id, found.decision.rule, found.decision.query_text) == ("u", "greeting", "hello")


async def test_a_request_is_explained(router: FakeRouter) -> None:
    body = await explained(router, await ask(router, model="medium"))
    assert body["decision"]["cause"] == "requested"
    assert body["outcome"]["model"] == "medium"
    assert (body["outcome"]["input_tokens"], body["outcome"]["output_tokens"]) == (12, 3)
    assert body["outcome"]["cost_usd"] == pytest.approx((12 * 1 + 3 * 2) / 1e6)
    assert body["outcome"]["answer_text"] == "Paris"
    assert body["outcome"]["error"] is None
    assert body["feedback"] is None


async def test_a_stream_is_stored_with_its_first_token(router: FakeRouter) -> None:
    body = await explained(router, await ask(router, stream=True))
    assert body["outcome"]["answer_text"] == "Hello"
    assert body["outcome"]["first_token_ms"] > 0


async def test_an_error_is_an_outcome(router: FakeRouter) -> None:
    router.upstream.behaviours.append(answer({"error": {"message": "down"}}, 500))
    response = await router.http.post(CHAT, json={**GOOD, "model": "medium"})
    assert response.status_code == 502
    body = await explained(router, response.headers["x-request-id"])
    assert (body["outcome"]["error"], body["outcome"]["model"]) == ("upstream_unreachable", None)


async def test_a_client_that_leaves_is_an_outcome(router: FakeRouter) -> None:
    router.upstream.behaviours.append(hang(sse(chat_chunk("Pa"))))
    headers = {"x-request-id": "left-early"}
    body = {**GOOD, "model": "medium", "stream": True}
    await leave_early(router, body, headers)
    assert (await explained(router, "left-early"))["outcome"]["error"] == "client_left"


async def test_the_last_rating_wins(router: FakeRouter) -> None:
    id_ = await ask(router)
    for rating, comment in ((2, "meh"), (5.0, None)):
        body = {"request_id": id_, "rating": rating, "comment": comment}
        assert (await router.http.post("/api/v1/feedback", json=body)).json() == {"request_id": id_, "rating": rating}
    assert (await explained(router, id_))["feedback"]["rating"] == 5


async def test_requests_that_share_a_clients_id_are_both_stored(router: FakeRouter) -> None:
    headers = {"x-request-id": "again/1"}
    ids = []
    for path, body in ((CHAT, GOOD), (COMPLETIONS, {"messages": [{"role": "user", "content": "hello"}]})):
        response = await router.http.post(path, json=body, headers=headers)
        assert response.headers["x-request-id"] == "again/1"
        ids.append(response.headers["x-llm-router-request-id"])
    found = [await explained(router, id_) for id_ in (*ids, "again/1", quote("again/1", safe=""))]
    assert [one["decision"]["request_id"] for one in found] == [ids[0], ids[1], ids[1], ids[1]]
    assert {one["decision"]["client_request_id"] for one in found} == {"again/1"}
    rated = await router.http.post("/api/v1/feedback", json={"request_id": "again/1", "rating": 4})
    assert rated.json() == {"request_id": ids[1], "rating": 4}
    assert [(await explained(router, id_))["feedback"] is None for id_ in ids] == [True, False]
    other = {"x-tenant-id": "umbrella"}
    assert (await router.http.get("/api/v1/requests/again/1", headers=other)).status_code == 404
    response = await router.http.post(
        "/api/v1/feedback", json={"request_id": "again/1", "rating": 1}, headers={**other, "x-request-id": "mine"}
    )
    assert (response.status_code, response.headers["x-request-id"]) == (404, "mine")


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"rating": 0}, 422, "rating"),
        ({"rating": 6}, 422, "rating"),
        ({"rating": "five"}, 422, "rating"),
        ({"rating": 4.5}, 422, "rating"),
        ({"comment": "x" * 900_000}, 422, "comment"),
        ({"comment": "a\0b"}, 422, "comment"),
        ({"request_id": "unknown"}, 404, "request_id"),
    ],
)
async def test_bad_feedback(router: FakeRouter, changes: dict[str, Any], status: int, param: str) -> None:
    body = {"request_id": await ask(router), "rating": 3, **changes}
    response = await router.http.post("/api/v1/feedback", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


async def test_a_tenant_sees_nothing_of_another(router: FakeRouter) -> None:
    id_ = await ask(router, tenant="acme")
    body = {"request_id": id_, "rating": 1}
    other = await router.http.post("/api/v1/feedback", json=body, headers={"x-tenant-id": "umbrella"})
    assert (other.status_code, other.json()["error"]["code"]) == (404, "request_not_found")
    assert (await router.http.get(f"/api/v1/requests/{id_}")).status_code == 404
    assert (await explained(router, id_, "acme"))["decision"]["tenant"] == "acme"
    malformed = await router.http.post(CHAT, json=GOOD, headers={"x-tenant-id": "a b"})
    assert (malformed.status_code, malformed.json()["error"]["param"]) == (400, "X-Tenant-ID")


async def test_statistics_count_cost_and_savings(router: FakeRouter) -> None:
    await explained(router, await ask(router))
    await explained(router, await ask(router, model="medium", user_tier="pro"))
    stats = (await router.http.get("/api/v1/stats", params={"window": "1h"})).json()
    assert (stats["total"]["requests"], stats["total"]["errors"]) == (2, 0)
    assert stats["by_model"].keys() == {"small", "medium"}
    assert stats["by_tier"].keys() == {"free", "pro"}
    assert stats["latency"]["p50_ms"] > 0
    assert stats["savings"]["strongest"]["model"] == "strong"
    assert stats["savings"]["strongest"]["saved_usd"] > 0
    assert stats["savings"]["best_single"] is None


@pytest.mark.parametrize("window", ["", "1", "h", "0h", "-1h", "1y", "999999d"])
async def test_a_wrong_window(router: FakeRouter, window: str) -> None:
    response = await router.http.get("/api/v1/stats", params={"window": window})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "window")


async def test_all_of_a_user_can_be_deleted(router: FakeRouter) -> None:
    id_ = await ask(router, user_id="ann")
    await explained(router, id_)
    kept = await ask(router, user_id="bob")
    deleted = (await router.http.delete("/api/v1/users/ann")).json()
    assert (deleted["decisions"], deleted["memories"]) == (1, 0)
    assert (await router.http.get(f"/api/v1/requests/{id_}")).status_code == 404
    assert (await router.http.get(f"/api/v1/requests/{kept}")).status_code == 200


async def test_metrics_count_requests_by_model_and_endpoint(router: FakeRouter) -> None:
    await ask(router, model="medium")
    body = {"model": "medium", "messages": [{"role": "user", "content": "q"}]}
    await router.http.post(COMPLETIONS, json=body)
    await router.http.post(CHAT, json={**GOOD, "model": "nope"})
    text = (await router.http.get("/api/v1/metrics")).text
    assert 'llm_router_requests_total{endpoint="/api/v1/chat",model="medium"} 1.0' in text
    assert 'llm_router_requests_total{endpoint="/v1/chat/completions",model="medium"} 1.0' in text
    assert 'llm_router_errors_total{error_type="model_not_found",model="none"} 1.0' in text
    assert 'llm_router_routing_decisions_total{model="medium",routing_type="requested"} 2.0' in text
    assert 'llm_router_tokens_total{direction="input",model="medium"} 24.0' in text


async def test_health_tells_the_state_of_storage(router: FakeRouter) -> None:
    await ask(router)
    storage = (await router.http.get("/api/v1/health")).json()["services"]["storage"]
    assert storage["state"] == "ok"
    assert storage["spooled_rows"] == 0
    assert storage["last_success"]
