"""From an answer of Anthropic's Messages API to OpenAI's `chat.completion` and `chat.completion.chunk` objects."""

import time
from collections.abc import Mapping
from typing import Any

import orjson

from app.completion import Chunk, Completion, Usage

_FINISH_REASONS = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def to_completion(answer: Mapping[str, Any]) -> Completion:
    """Raises LookupError, TypeError or AttributeError for an answer of another shape."""
    blocks = answer["content"]
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    calls = [_tool_call(block) for block in blocks if block["type"] == "tool_use"]
    thinking = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    message: dict[str, Any] = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
    message |= ({"tool_calls": calls} if calls else {}) | ({"reasoning_content": thinking} if thinking else {})
    usage = _usage(answer["usage"])
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(answer["stop_reason"])}
    body = _head(answer, "chat.completion") | {"choices": [choice], "usage": _openai_usage(usage)}
    return Completion(text=text, usage=usage, body=orjson.dumps(body))


class StreamReader:
    """Turns the events of one stream into chunks. `done` once the provider has said so."""

    def __init__(self, *, usage_wanted: bool) -> None:
        self._usage_wanted = usage_wanted
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._tools: dict[int, int] = {}  # the index of a content block -> that of the tool call
        self._without_arguments: set[int] = set()
        self._role_sent = False
        self.done = False

    def feed(self, event: Mapping[str, Any]) -> Chunk | None:
        """Raises LookupError, TypeError or AttributeError for an event of another shape."""
        match event["type"]:
            case "message_start":
                self._head = _head(event["message"], "chat.completion.chunk")
                self._count(event["message"].get("usage"))
            case "content_block_start":
                return self._block_start(event["index"], event["content_block"])
            case "content_block_delta":
                return self._block_delta(event["index"], event["delta"])
            case "content_block_stop" if event["index"] in self._without_arguments:
                return self._tool_chunk(event["index"], {"function": {"arguments": "{}"}})
            case "message_delta":
                self._count(event.get("usage"))
                if reason := event["delta"].get("stop_reason"):
                    return self._chunk({}, finish_reason=_finish_reason(reason))
            case "message_stop":
                self.done = True
                return self._usage_chunk()
        return None

    def _block_start(self, index: int, block: Mapping[str, Any]) -> Chunk | None:
        if block["type"] == "text" and block.get("text"):
            return self._chunk({"content": block["text"]}, text=_text(block["text"]))
        if block["type"] != "tool_use":
            return None
        self._tools[index] = len(self._tools)
        self._without_arguments.add(index)
        function = {"name": block["name"], "arguments": ""}
        return self._tool_chunk(index, {"id": block["id"], "type": "function", "function": function})

    def _block_delta(self, index: int, delta: Mapping[str, Any]) -> Chunk | None:
        match delta["type"]:
            case "text_delta":
                return self._chunk({"content": delta["text"]}, text=_text(delta["text"]))
            case "thinking_delta":
                return self._chunk({"reasoning_content": delta["thinking"]})
            case "input_json_delta" if index in self._tools and delta["partial_json"]:
                self._without_arguments.discard(index)
                return self._tool_chunk(index, {"function": {"arguments": delta["partial_json"]}})
        return None

    def _tool_chunk(self, index: int, call: Mapping[str, Any]) -> Chunk:
        return self._chunk({"tool_calls": [{"index": self._tools[index], **call}]})

    def _chunk(self, delta: Mapping[str, Any], *, text: str = "", finish_reason: str | None = None) -> Chunk:
        if not self._role_sent:
            delta = {"role": "assistant", **delta}
            self._role_sent = True
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return Chunk(data=orjson.dumps(self._head | {"choices": [choice]}), text=text)

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        """The counts are running totals, and a later event may leave some of them out."""
        self._usage |= {key: value for key, value in (usage or {}).items() if value is not None}

    def _usage_chunk(self) -> Chunk:
        usage = _usage(self._usage)
        body = self._head | {"choices": [], "usage": _openai_usage(usage)}
        return Chunk(data=orjson.dumps(body) if self._usage_wanted else b"", usage=usage)


def _head(message: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": message["id"], "object": kind, "created": int(time.time()), "model": message["model"]}


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise TypeError("content is no text")
    return content


def _finish_reason(stop_reason: str | None) -> str:
    return _FINISH_REASONS.get(stop_reason or "", "stop")


def _tool_call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block["name"], "arguments": orjson.dumps(block["input"]).decode()}
    return {"id": block["id"], "type": "function", "function": function}


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic counts the tokens read from its cache and written to it apart from `input_tokens`."""
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    return Usage.counted((usage.get("input_tokens") or 0) + cached + written, usage.get("output_tokens") or 0, cached)


def _openai_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
    }
