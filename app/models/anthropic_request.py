"""From a prompt in OpenAI's chat format to the body of a request to Anthropic's Messages API."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.completion import Prompt
from app.models.catalogue import ModelSpec
from app.models.parameters import accepted
from app.models.upstream_errors import refused

SAMPLING = frozenset({"temperature", "top_p", "top_k"})

# Anthropic requires a limit. This is the largest that every Claude model accepts.
DEFAULT_MAX_TOKENS = 4096

_OWN_PARAMETERS = ("cache_control", "container", "context_management", "inference_geo", "output_config", "thinking")
_JSON_INSTRUCTION = "Answer with one JSON object and nothing else: no explanation and no code fence."
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_DATA_URL = re.compile(r"data:(?P<type>[^;,]+);base64,(?P<data>.*)", re.DOTALL)

Block = dict[str, Any]


def to_request(spec: ModelSpec, prompt: Prompt) -> dict[str, Any]:
    """Raises UpstreamRejected for what Anthropic cannot do (n > 1, audio) and for malformed messages.

    Parameters that Anthropic does not know (seed, logprobs, ...) are left out.
    """
    given = {key: value for key, value in accepted(spec, prompt).items() if value is not None}
    if given.get("n", 1) != 1:
        raise refused(spec, "Anthropic gives one choice an answer; leave out n", "n")
    try:
        system, messages = _conversation(spec, prompt.messages)
        request = {"model": spec.upstream_name, "messages": messages, **_parameters(given), **_tools(given)}
        system += _response_format(given, request)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        reason = f"the request cannot be put into Anthropic's format ({type(error).__name__}); check messages and tools"
        raise refused(spec, reason) from error
    return request | ({"system": system} if system else {})


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    request = {key: given[key] for key in (*_OWN_PARAMETERS, "top_k") if key in given}
    request["max_tokens"] = given.get("max_completion_tokens", given.get("max_tokens", DEFAULT_MAX_TOKENS))
    if "stop" in given:
        request["stop_sequences"] = [given["stop"]] if isinstance(given["stop"], str) else given["stop"]
    if "temperature" in given:
        request["temperature"] = min(given["temperature"], 1.0)  # OpenAI's goes to 2
    elif "top_p" in given:  # newer models refuse both at once
        request["top_p"] = given["top_p"]
    if "user" in given:
        request["metadata"] = {"user_id": given["user"]}
    return request


def _response_format(given: Mapping[str, Any], request: dict[str, Any]) -> list[Block]:
    """Adds a JSON schema to `request` as structured output; plain JSON mode becomes an instruction."""
    wanted = given.get("response_format", {})
    if wanted.get("type") == "json_schema":
        output_format = {"type": "json_schema", "schema": wanted["json_schema"]["schema"]}
        request["output_config"] = {**request.get("output_config", {}), "format": output_format}
    return [_text(_JSON_INSTRUCTION)] if wanted.get("type") == "json_object" else []


def _tools(given: Mapping[str, Any]) -> dict[str, Any]:
    if not given.get("tools"):
        return {}
    choice = given.get("tool_choice", "auto")
    if isinstance(choice, str):
        choice = {"type": _TOOL_CHOICES[choice]}
    elif "function" in choice:
        choice = {"type": "tool", "name": choice["function"]["name"]}
    if given.get("parallel_tool_calls") is False and choice["type"] != "none":
        choice = {**choice, "disable_parallel_tool_use": True}
    return {"tools": [_tool(tool) for tool in given["tools"]], "tool_choice": choice}


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """One function; a tool of Anthropic's own passes unchanged."""
    if "function" not in tool:
        return tool
    function = tool["function"]
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    extra = {key: function[key] for key in ("description", "strict") if function.get(key)}
    return {"name": function["name"], "input_schema": schema, **extra}


def _conversation(spec: ModelSpec, messages: Sequence[Mapping[str, Any]]) -> tuple[list[Block], list[Block]]:
    """The system blocks, and turns that alternate: Anthropic wants all that one side says in one message."""
    system: list[Block] = []
    turns: list[Block] = []
    for message in messages:
        role = message["role"]
        if role in ("system", "developer"):
            system += _content(spec, message.get("content"))
            continue
        turn = "assistant" if role == "assistant" else "user"
        blocks = _turn_blocks(spec, message)
        if turns and turns[-1]["role"] == turn:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": turn, "content": blocks})
    return system, turns


def _turn_blocks(spec: ModelSpec, message: Mapping[str, Any]) -> list[Block]:
    content = _content(spec, message.get("content"))
    match message["role"]:
        case "user":
            return content
        case "assistant":
            refusal = [_text(message["refusal"])] if message.get("refusal") else []
            return content + refusal + [_tool_use(spec, call) for call in message.get("tool_calls") or ()]
        case "tool":
            return [{"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}]
    raise refused(spec, "a message has a role that Anthropic does not know", "messages")


def _tool_use(spec: ModelSpec, call: Mapping[str, Any]) -> Block:
    try:
        arguments = orjson.loads(call["function"]["arguments"] or "{}")
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        raise refused(spec, "the arguments of a tool call in messages are not a JSON object", "messages")
    return {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": arguments}


def _content(spec: ModelSpec, content: str | Sequence[Mapping[str, Any]] | None) -> list[Block]:
    """The blocks of a content. Anthropic refuses empty text, so that is left out."""
    parts = [_text(content)] if isinstance(content, str) else content or ()
    return [_block(spec, part) for part in parts if part.get("type") != "text" or part["text"]]


def _block(spec: ModelSpec, part: Mapping[str, Any]) -> Block:
    cached = {"cache_control": part["cache_control"]} if "cache_control" in part else {}
    match part["type"]:
        case "text":
            return _text(part["text"]) | cached
        case "refusal":
            return _text(part["refusal"])
        case "image_url":
            return {"type": "image", "source": _image_source(spec, part["image_url"]["url"]), **cached}
    raise refused(spec, "a message has a part that is neither text nor an image", "messages")


def _image_source(spec: ModelSpec, url: str) -> Block:
    if data := _DATA_URL.fullmatch(url):
        return {"type": "base64", "media_type": data["type"], "data": data["data"]}
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    raise refused(spec, "an image must be an https: URL or a data: URL in base64", "messages")


def _text(text: str) -> Block:
    return {"type": "text", "text": text}
