"""The whole serve_config.yaml on a real Ray cluster with the real vLLM engine."""

import asyncio
import copy
import re
from typing import Any

import httpx
import openai
import pytest

from tests.cluster.conftest import SUCCESS
from tests.fakes.upstream import FakeUpstream, chat_chunk, hang, sse
from tests.servers.process import wait_until
from tests.servers.router import Cluster

pytestmark = pytest.mark.cluster

CHAT, ROUTE, METRICS = "/api/v1/chat", "/api/v1/route", "/api/v1/metrics"
SCORED = {"query": "Is 91 a prime number?", "user_id": "u"}
FRESH = {**SCORED, "cache": False, "model": "strong"}


def route(cluster: Cluster, **changes: Any) -> dict[str, Any]:
    response = cluster.http.post(ROUTE, json={**SCORED, **changes})
    assert response.status_code == 200, response.text
    decision: dict[str, Any] = response.json()
    return decision


def test_the_router_answers_while_llama_loads(cluster: Cluster) -> None:
    health = cluster.http.get("/api/v1/health").json()
    assert health["status"] == "ok"
    answer = cluster.http.post(CHAT, json=FRESH)
    assert answer.json()["response"] == "Paris"
    assert answer.headers["x-llm-router-request-id"] == answer.json()["routing_metadata"]["request_id"]
    assert answer.headers.get_list("x-request-id") == [answer.headers["x-llm-router-request-id"]]
    named = cluster.http.post(CHAT, json=FRESH, headers={"x-request-id": "mine"})
    assert named.headers.get_list("x-request-id") == ["mine"]


def test_the_embedding_and_the_classifier_take_part_in_the_decision(cluster: Cluster) -> None:
    wait_until(lambda: route(cluster)["cause"] == "scored", 30, "both")
    decision = route(cluster, query="How do vaccines train the immune system of an infant?")
    assert decision["skipped"] == {}
    assert decision["classifier"]["version"] == decision["classifier_version"] == "c1"
    assert decision["classifier"]["success"] == pytest.approx(SUCCESS, abs=0.25)
    assert decision["domain"] == "science"  # as the artefact is made


def test_a_client_that_leaves_stops_the_call_to_the_provider(cluster: Cluster, upstream: FakeUpstream) -> None:
    upstream.left.clear()
    upstream.behaviours.append(hang(sse(chat_chunk("Pa"))))
    body = {**FRESH, "stream": True}
    with cluster.http.stream("POST", CHAT, json=body) as response:
        assert next(response.iter_lines()) == "event: decision"
    wait_until(upstream.left.is_set, 30, "the end of the provider's call")  # at a heartbeat, at the latest


def test_a_client_that_leaves_before_the_answer_stops_the_call_too(cluster: Cluster, upstream: FakeUpstream) -> None:
    upstream.left.clear()
    upstream.behaviours.append(hang())
    with pytest.raises(httpx.ReadTimeout):
        cluster.http.post(CHAT, json=FRESH, headers={"x-request-disconnect-disabled": "1"}, timeout=1)
    wait_until(upstream.left.is_set, 30, "the end of the provider's call")


def test_metrics_are_of_all_deployments(cluster: Cluster) -> None:
    text = cluster.http.get(METRICS).text
    for deployment in ("Ingress", "DecisionEngine", "FeatureExtractor", "Classifier"):
        assert f'deployment="{deployment}"' in text
    assert re.search(r'llm_router_stage_latency_seconds_count{.*stage="classifier"', text)
    assert re.search(r'llm_router_stage_latency_seconds_count{.*stage="embedding"', text)
    assert re.search(r'llm_router_circuit_breaker_state{.*model="strong".*} 0\.0', text)


def test_bad_input_through_the_proxy(cluster: Cluster) -> None:
    assert cluster.http.post(CHAT, json={"query": " ", "user_id": "u"}).status_code == 422
    assert cluster.http.post(CHAT, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    large = cluster.http.post(CHAT, json={"query": "x" * 20_000_000, "user_id": "u"})
    assert large.status_code == 413
    assert large.json()["error"]["code"] == "body_too_large"


def test_a_builder_with_broken_arguments_fails_with_the_reason(cluster: Cluster) -> None:
    config = copy.deepcopy(cluster.config)
    broken = {**config["applications"][0], "name": "broken", "route_prefix": "/broken", "deployments": []}
    broken["args"] = {**broken["args"], "max_body_mb": "ten"}
    cluster.deploy({**config, "applications": [*config["applications"], broken]})
    try:
        wait_until(lambda: cluster.applications()["broken"]["status"] == "DEPLOY_FAILED", 60, "the refusal")
        assert "args: max_body_mb" in cluster.applications()["broken"]["message"]
    finally:
        cluster.deploy(cluster.config)
    assert cluster.http.get("/api/v1/health").status_code == 200


def test_llama_answers(llama: Cluster) -> None:
    answer = llama.http.post(CHAT, json={"query": "hello", "user_id": "u"}).json()
    assert answer["model_used"] == "llama"
    assert answer["routing_metadata"]["rule"] == "greeting"
    assert answer["response"].strip()
    assert answer["usage"]["output_tokens"] > 0


def test_llama_streams_token_by_token_through_the_sdk(llama: Cluster) -> None:
    sdk = openai.OpenAI(base_url=f"{llama.url}/v1", api_key="none", max_retries=0)
    with sdk:
        stream = sdk.chat.completions.create(
            model="llama",
            messages=[{"role": "user", "content": "Count to five."}],
            stream=True,
            max_tokens=16,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert len([text for text in texts if text]) >= 4
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 16


def test_llama_refuses_what_does_not_fit_its_format(llama: Cluster) -> None:
    body = {"model": "llama", "messages": [{"role": "user", "content": "q"}], "temperature": "hot"}
    response = llama.http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert "temperature" in response.json()["error"]["message"]


def test_an_answer_without_a_limit_ends_and_a_long_prompt_still_fits(llama: Cluster) -> None:
    limit = llama.config["applications"][1]["args"]["cpu"]["default_max_tokens"]
    words = "word " * 1970
    body = {"model": "llama", "messages": [{"role": "user", "content": words}], "temperature": 0, "ignore_eos": True}
    usage = llama.http.post("/v1/chat/completions", json=body).json()["usage"]
    assert usage["completion_tokens"] == 2048 - usage["prompt_tokens"] < limit
    short = {**body, "messages": [{"role": "user", "content": "Count."}]}
    assert llama.http.post("/v1/chat/completions", json=short).json()["usage"]["completion_tokens"] == limit


async def test_who_shares_a_call_keeps_it_when_the_first_one_leaves(llama: Cluster) -> None:
    body = {"model": "llama", "messages": [{"role": "user", "content": "Tell a story."}], "max_tokens": 80}
    async with httpx.AsyncClient(base_url=llama.url, timeout=60) as http:
        first = asyncio.create_task(http.post("/v1/chat/completions", json=body))
        await asyncio.sleep(0.5)
        second = asyncio.create_task(http.post("/v1/chat/completions", json=body))
        await asyncio.sleep(0.5)
        assert not first.done()
        first.cancel()
        answer = await second
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] > 0


def test_a_lora_adapter_answers_under_its_own_name(llama: Cluster) -> None:
    body = {
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0,
        "max_tokens": 16,
        "user_tier": "enterprise",
    }
    answers = {
        model: llama.http.post("/v1/chat/completions", json={**body, "model": model}).json()
        for model in ("llama", "llama-lora")
    }
    texts = {model: answer["choices"][0]["message"]["content"] for model, answer in answers.items()}
    assert answers["llama-lora"]["model"] == "test-adapter"
    assert texts["llama"] != texts["llama-lora"]


def test_the_launcher_said_when_each_application_was_ready(llama: Cluster) -> None:
    wait_until(lambda: b"llama: ready after" in llama.log.read_bytes(), 30, "the line for llama")
    assert b"router: ready after" in llama.log.read_bytes()


def test_logs_hold_events_and_no_prompt(cluster: Cluster) -> None:
    secret = "zebra-crossing-4711"
    ask = {"query": f"Say {secret} backwards", "user_id": "u", "model": "strong"}
    id_ = cluster.http.post(CHAT, json=ask).headers["x-llm-router-request-id"].encode()
    wait_until(lambda: b"completion request_id=" + id_ in cluster.log.read_bytes(), 20, "the event")
    assert b"decision request_id=" + id_ in cluster.log.read_bytes()
    assert secret.encode() not in cluster.log.read_bytes()
