"""What a caller may ask of one answer: a cost, a time, a quality."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.test_classifier import ASK, CHAT, ROUTE, BlankEmbedder, InProcess, route
from tests.fakes.artifact import make_artifact
from tests.fakes.router import FakeRouter, running_router

SUCCESS = {"small": 0.5, "medium": 0.8, "strong": 0.95}
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture
async def classified(tokenizer: Path, tmp_path: Path) -> AsyncIterator[FakeRouter]:
    classifier = InProcess(make_artifact(tmp_path / "artifact", SUCCESS, support=0.999, version="c1"))
    async with running_router(tokenizer, embedder=BlankEmbedder(), classifier=classifier) as fake:
        yield fake


@pytest.mark.parametrize(("floor", "model"), [(0.4, "small"), (0.7, "medium"), (0.9, "strong"), (1.0, "strong")])
async def test_a_quality_floor_takes_the_cheapest_model_that_reaches_it(
    classified: FakeRouter, floor: float, model: str
) -> None:
    decision = await route(classified, quality_floor=floor)
    assert decision["model"] == model
    assert decision["propensity"] == 1.0


async def test_a_quality_floor_makes_a_certain_rule_a_hint(classified: FakeRouter) -> None:
    assert (await route(classified, query="hello"))["cause"] == "rule"
    decision = await route(classified, query="hello", quality_floor=0.9)
    assert (decision["cause"], decision["rule"], decision["model"]) == ("scored", "greeting", "strong")


async def test_models_over_the_limits_are_rejected_with_the_reason(classified: FakeRouter) -> None:
    decision = await route(classified, max_cost_usd=0.001)
    assert decision["rejected"] == {"strong": "over_max_cost_usd", "keyless": "no_key:OPENAI_API_KEY"}
    assert all(candidate["cost_usd"] <= 0.001 for candidate in decision["candidates"])
    response = await classified.http.post(ROUTE, json={**ASK, "max_latency_ms": 1})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("no_eligible_model", "max_latency_ms")
    assert "fastest to take 1000 ms" in error["message"]


async def test_limits_hold_for_a_named_model_too(classified: FakeRouter) -> None:
    asked = {**ASK, "model": "strong", "max_cost_usd": 1e-6}
    response = await classified.http.post(CHAT, json=asked)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "max_cost_usd"


async def test_openai_clients_may_ask_too_and_providers_never_see_it(classified: FakeRouter) -> None:
    body = {"messages": [{"role": "user", "content": ASK["query"]}], "quality_floor": 0.7, "max_cost_usd": 1.0}
    response = await classified.http.post(COMPLETIONS, json=body)
    assert response.headers["x-llm-router-model"] == "medium"
    assert not {"quality_floor", "max_cost_usd"} & classified.upstream.received[-1].body.keys()


async def test_an_answer_of_less_quality_is_not_taken_from_the_cache(classified: FakeRouter) -> None:
    asked = {**ASK, "quality_floor": 0.7}
    models = [(await classified.http.post(CHAT, json=asked)).json()["model_used"] for _ in range(2)]
    better = await classified.http.post(CHAT, json={**asked, "quality_floor": 0.9})
    assert models == ["medium", "medium"]
    assert better.json()["model_used"] == "strong"
    assert better.json()["routing_metadata"]["cache"] is None


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("quality_floor", 1.5),
        ("quality_floor", -0.1),
        ("max_cost_usd", -1),
        ("max_latency_ms", 0),
        ("quality_floor", "high"),
    ],
)
async def test_limits_out_of_range_are_named(classified: FakeRouter, limit: str, value: Any) -> None:
    for path, body in ((ROUTE, ASK), (COMPLETIONS, {"messages": [{"role": "user", "content": "hello?"}]})):
        response = await classified.http.post(path, json={**body, limit: value})
        assert response.status_code == (400 if path == COMPLETIONS else 422)
        assert response.json()["error"]["param"] == limit


async def test_what_models_took_lately_is_what_they_are_expected_to_take(classified: FakeRouter) -> None:
    before = {one["model"]: one["latency_ms"] for one in (await route(classified))["candidates"]}
    for at in range(5):
        body = {**ASK, "query": f"What is {at} and {at}?", "model": "medium"}
        assert (await classified.http.post(CHAT, json=body)).status_code == 200
    after = {one["model"]: one["latency_ms"] for one in (await route(classified))["candidates"]}
    assert before["medium"] == 1000
    assert after["medium"] < 500
    assert after["strong"] == 1000
