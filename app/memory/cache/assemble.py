"""A stream as one answer, so that it can be cached."""

from typing import Any

import orjson

from app.completion import Chunk, Completion, Usage


class Assembler:
    """Listens to a stream. Nothing is parsed before its end; a stream over `max_bytes` is given up."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._parts: list[bytes] = []
        self._usage = Usage()

    def add(self, chunk: Chunk) -> None:
        self._usage = chunk.usage or self._usage
        self._left -= len(chunk.data)
        if self._left < 0:
            self._parts.clear()
        elif chunk.data:
            self._parts.append(chunk.data)

    def completion(self) -> Completion | None:
        """The answer as a `chat.completion` object; None when there is nothing to assemble, or too much, or parts."""
        if self._left < 0 or not self._parts:
            return None
        head: dict[str, Any] = {}
        choices: dict[int, dict[str, Any]] = {}
        for part in map(orjson.loads, self._parts):
            head = head or {key: value for key, value in part.items() if key not in ("choices", "usage", "object")}
            for piece in part.get("choices") or ():
                if isinstance((piece.get("delta") or {}).get("content"), list):
                    return None  # parts, which no cache keeps
                _add_piece(choices.setdefault(piece.get("index", 0), _empty_choice(piece.get("index", 0))), piece)
        usage = {
            "prompt_tokens": self._usage.input_tokens,
            "completion_tokens": self._usage.output_tokens,
            "total_tokens": self._usage.input_tokens + self._usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": self._usage.cached_input_tokens},
        }
        whole = [_finished(choices[index]) for index in sorted(choices)]
        body = orjson.dumps({**head, "object": "chat.completion", "choices": whole, "usage": usage})
        text = whole[0]["message"]["content"] or "" if whole else ""
        return Completion(text=text, usage=self._usage, body=body)


def _empty_choice(index: int) -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    if calls := choice["message"].get("tool_calls"):
        choice["message"]["tool_calls"] = [calls[index] for index in sorted(calls)]
    return choice


def _add_piece(choice: dict[str, Any], piece: dict[str, Any]) -> None:
    choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
    if tokens := (piece.get("logprobs") or {}).get("content"):
        choice.setdefault("logprobs", {"content": []})["content"].extend(tokens)
    message = choice["message"]
    for key, value in (piece.get("delta") or {}).items():
        if key == "tool_calls":
            _add_tool_calls(message.setdefault("tool_calls", {}), value or [])
        elif isinstance(value, str) and key != "role":
            message[key] = (message.get(key) or "") + value
        elif value is not None:
            message[key] = value


def _add_tool_calls(calls: dict[int, dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    """A call comes in pieces that share its `index`: first id and name, then the arguments bit by bit."""
    for piece in pieces:
        empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        call, function = calls.setdefault(piece.get("index", len(calls)), empty), piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
