from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.completion import Prompt
from app.errors import UpstreamRejected
from app.models.anthropic_request import to_request
from app.models.catalogue import ModelSpec

Make = Callable[..., ModelSpec]
Messages = Sequence[dict[str, Any]]
HELLO = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.fixture
def ask(make_spec: Make) -> Callable[..., dict[str, Any]]:
    def to(messages: Messages = (HELLO,), **parameters: Any) -> dict[str, Any]:
        return to_request(make_spec(provider="anthropic"), Prompt(messages, parameters))

    return to


Ask = Callable[..., dict[str, Any]]


def test_the_smallest_request(ask: Ask) -> None:
    assert ask() == {
        "model": "fake",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [text("hello")]}],
    }


def test_all_system_messages_become_system(ask: Ask) -> None:
    request = ask(
        [
            {"role": "system", "content": "one"},
            HELLO,
            {"role": "developer", "content": [{"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]},
        ]
    )
    assert request["system"] == [text("one"), {**text("two"), "cache_control": {"type": "ephemeral"}}]
    assert len(request["messages"]) == 1


def test_messages_of_one_side_are_merged(ask: Ask) -> None:
    request = ask([HELLO, HELLO, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, HELLO])
    assert [(turn["role"], len(turn["content"])) for turn in request["messages"]] == [
        ("user", 2),
        ("assistant", 2),
        ("user", 1),
    ]


def test_images(ask: Ask) -> None:
    urls = ("data:image/png;base64,QUJD", "https://example.com/a.png")
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    (turn,) = ask([{"role": "user", "content": [{"type": "text", "text": "look"}, *parts]}])["messages"]
    assert turn["content"] == [
        text("look"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]


def test_tools_and_their_results(ask: Ask) -> None:
    request = ask(
        [
            HELLO,
            {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
            {"role": "tool", "tool_call_id": "c1", "content": "blue"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "grey"}]},
            {"role": "user", "content": "so?"},
        ],
        tools=[TOOL],
    )
    assert request["tools"] == [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]
    assert request["tool_choice"] == {"type": "auto"}
    _, assistant, user = request["messages"]
    assert assistant["content"][0] == {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "sky"}}
    assert user["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": [text("blue")]},
        {"type": "tool_result", "tool_use_id": "c2", "content": [text("grey")]},
        text("so?"),
    ]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "look"}}}, {"type": "tool", "name": "look"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, {"type": "auto"}),
    ],
)
def test_tool_choice(ask: Ask, given: dict[str, Any], sent: dict[str, Any]) -> None:
    assert ask(tools=[TOOL], **given)["tool_choice"] == sent


def test_no_tool_choice_without_tools(ask: Ask) -> None:
    assert "tool_choice" not in ask(tools=[], tool_choice="auto", parallel_tool_calls=False)


def test_a_function_without_parameters_and_a_tool_of_anthropics_own(ask: Ask) -> None:
    own = {"type": "web_search_20250305", "name": "web_search"}
    tools = ask(tools=[{"type": "function", "function": {"name": "now", "strict": True}}, own])["tools"]
    assert tools == [{"name": "now", "input_schema": {"type": "object", "properties": {}}, "strict": True}, own]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"max_tokens": None}, {"max_tokens": 4096}),
        ({"stop": "a"}, {"stop_sequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0}),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
        ({"n": 1, "seed": 3, "logprobs": True, "stream": True, "metadata": {"a": "b"}, "logit_bias": {}}, {}),
    ],
)
def test_parameters(ask: Ask, given: dict[str, Any], sent: dict[str, Any]) -> None:
    request = ask(**given)
    assert request == {"model": "fake", "messages": request["messages"], "max_tokens": 4096} | sent


def test_parameters_that_the_model_refuses_are_left_out(make_spec: Make) -> None:
    spec = make_spec(provider="anthropic", unsupported_parameters=["temperature"])
    assert "temperature" not in to_request(spec, Prompt([HELLO], {"temperature": 0.5}))


def test_a_json_schema_is_structured_output(ask: Ask) -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    request = ask(response_format=wanted, output_config={"effort": "low"})
    assert request["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    assert "system" not in request


def test_plain_json_is_an_instruction(ask: Ask) -> None:
    request = ask([{"role": "system", "content": "Be brief."}, HELLO], response_format={"type": "json_object"})
    assert request["system"][0] == text("Be brief.")
    assert "JSON" in request["system"][1]["text"]
    assert "system" not in ask(response_format={"type": "text"})


def test_empty_text_is_left_out(ask: Ask) -> None:
    messages = [{"role": "system", "content": ""}, HELLO, {"role": "assistant", "content": ""}]
    assert ask(messages) == ask()


@pytest.mark.parametrize(
    ("messages", "parameters"),
    [
        ([HELLO], {"n": 2}),
        ([{"role": "function", "content": "x"}], {}),
        ([{"content": "x"}], {}),
        ([{"role": "user", "content": 7}], {}),
        ([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}], {}),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}], {}),
        ([{"role": "user", "content": ["x"]}], {}),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]}], {}),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[]"}}]}], {}),
        ([{"role": "assistant", "tool_calls": [{"id": "1"}]}], {}),
        ([{"role": "tool", "content": "x"}], {}),
        ([HELLO], {"temperature": "warm"}),
        ([HELLO], {"tools": [TOOL], "tool_choice": "sometimes"}),
        ([HELLO], {"response_format": {"type": "json_schema"}}),
        ([HELLO], {"response_format": "json"}),
    ],
)
def test_what_cannot_be_translated_is_rejected(ask: Ask, messages: Messages, parameters: dict[str, Any]) -> None:
    with pytest.raises(UpstreamRejected):
        ask(messages, **parameters)
