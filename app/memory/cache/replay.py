"""A cached answer as a stream: the chunks that a provider would have sent."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

import orjson

from app.completion import Chunk
from app.memory.cache.entry import CachedAnswer

PIECE_CHARACTERS = 400
_WHOLE = ("role", "content", "tool_calls")


async def replay(answer: CachedAnswer, *, usage_wanted: bool) -> AsyncGenerator[Chunk, None]:
    """Role, text in pieces, tool calls, finish reason, usage; id, model and time are those of the first answer.

    The usage is on the last chunk; its data is empty when the caller did not ask for it.
    """
    body = orjson.loads(answer.body)
    shared = {key: value for key, value in body.items() if key not in ("choices", "usage", "object")}
    head = {**shared, "object": "chat.completion.chunk"}
    for choice in body["choices"]:
        for delta, finish_reason in _deltas(choice):
            piece: dict[str, Any] = {"index": choice.get("index", 0), "delta": delta, "finish_reason": finish_reason}
            if finish_reason and choice.get("logprobs"):
                piece["logprobs"] = choice["logprobs"]
            data = orjson.dumps({**head, "choices": [piece]})
            yield Chunk(data=data, text=delta.get("content") or "")
    last = orjson.dumps({**head, "choices": [], "usage": body.get("usage")}) if usage_wanted else b""
    yield Chunk(data=last, usage=answer.usage)


def _deltas(choice: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    message = choice["message"]
    others = {key: value for key, value in message.items() if key not in _WHOLE and value is not None}
    yield {"role": message.get("role", "assistant"), "content": "", **others}, None
    text = message.get("content") or ""
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield {"content": text[start : start + PIECE_CHARACTERS]}, None
    for index, call in enumerate(message.get("tool_calls") or ()):
        yield {"tool_calls": [{"index": index, **call}]}, None
    yield {}, choice["finish_reason"]
