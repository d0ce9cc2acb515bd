"""OpenAI's format: the official SDK as the client, and what passes through."""

import httpx
import openai
import pytest

from tests.fakes.router import FakeRouter
from tests.fakes.upstream import CHAT_ANSWER, chat_chunk, cut_off, sse


@pytest.fixture
def sdk(router: FakeRouter) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url="http://router/v1", api_key="none", http_client=router.http, max_retries=0)


async def test_auto_answers_through_the_sdk(sdk: openai.AsyncOpenAI) -> None:
    messages = [{"role": "user", "content": "hello"}]
    raw = await sdk.chat.completions.with_raw_response.create(model="auto", messages=messages)  # type: ignore[arg-type]
    answer = raw.parse()
    assert answer.choices[0].message.content == "Paris"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 12
    assert raw.headers["x-llm-router-model"] == "small"


async def test_unknown_parameters_pass_through_and_the_body_comes_back_untouched(router: FakeRouter) -> None:
    body = {"model": "medium", "messages": [{"role": "user", "content": "q", "name": "ann"}], "seed": 7, "x_new": [1]}
    response = await router.http.post("/v1/chat/completions", json=body)
    sent = router.upstream.received[0].body
    assert (sent["seed"], sent["x_new"], sent["messages"]) == (7, [1], body["messages"])
    assert "user_tier" not in sent
    assert router.upstream.received[0].headers["authorization"] == "Bearer sk-medium-0123456789"
    assert response.json() == CHAT_ANSWER


async def test_a_stream_through_the_sdk(sdk: openai.AsyncOpenAI) -> None:
    messages = [{"role": "user", "content": "hello"}]
    stream = await sdk.chat.completions.create(model="medium", messages=messages, stream=True)  # type: ignore[call-overload]
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Paris"
    assert all(chunk.usage is None for chunk in chunks)


async def test_a_stream_sends_usage_when_it_is_asked_for(router: FakeRouter) -> None:
    body = {
        "model": "medium",
        "messages": [{"role": "user", "content": "q"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    text = (await router.http.post("/v1/chat/completions", json=body)).text
    assert '"prompt_tokens":12' in text
    assert text.endswith("data: [DONE]\n\n")


async def test_an_error_in_the_middle_of_a_stream_reaches_the_sdk(router: FakeRouter, sdk: openai.AsyncOpenAI) -> None:
    router.upstream.behaviours.append(cut_off(sse(chat_chunk("Pa"))))
    messages = [{"role": "user", "content": "hello"}]
    stream = await sdk.chat.completions.create(model="medium", messages=messages, stream=True)  # type: ignore[call-overload]
    with pytest.raises(openai.APIError, match="was cut off"):
        [chunk async for chunk in stream]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "no_tools"),
        ({"response_format": {"type": "json_object"}}, "no_json"),
    ],
)
async def test_models_without_the_needed_capability_are_not_asked(
    router: FakeRouter, extra: dict[str, object], reason: str
) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], **extra}
    assert (await router.http.post("/v1/chat/completions", json=body)).headers["x-llm-router-model"] == "medium"
    refused = await router.http.post("/v1/chat/completions", json={**body, "model": "small"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "no_eligible_model")
    assert reason in refused.json()["error"]["message"]


async def test_an_image_goes_to_a_model_that_sees(router: FakeRouter) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}, image]}]}
    response = await router.http.post("/v1/chat/completions", json=body)
    assert response.headers["x-llm-router-model"] == "medium"


async def test_models_lists_auto_and_the_catalogue(sdk: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()] == ["auto", "small", "medium", "strong", "keyless"]


async def test_an_unknown_model_is_a_404_for_the_sdk(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        await sdk.chat.completions.create(model="nope", messages=[{"role": "user", "content": "q"}])
    assert error.value.code == "model_not_found"
    assert error.value.param == "model"
    assert "medium" in error.value.message


async def test_a_conversation_without_user_text_cannot_be_routed(router: FakeRouter) -> None:
    body = {"messages": [{"role": "system", "content": "be kind"}]}
    response: httpx.Response = await router.http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages"
