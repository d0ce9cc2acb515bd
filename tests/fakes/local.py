"""A LocalBackend that answers from a script, or is not there."""

from collections.abc import AsyncGenerator

import orjson

from tests.fakes.upstream import CHAT_ANSWER, chat_chunk


class FakeLocalBackend:
    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason
        self.bodies: list[dict[str, object]] = []
        self.calls = 0

    def unavailable(self) -> str | None:
        return self.reason

    def in_flight(self, model: str) -> int:  # noqa: ARG002
        return self.calls

    async def chat(self, model: str, body: bytes) -> AsyncGenerator[bytes, None]:  # noqa: ARG002
        asked = orjson.loads(body)
        self.bodies.append(asked)
        if not asked["stream"]:
            yield orjson.dumps(CHAT_ANSWER)
            return
        for item in (chat_chunk("Hel"), chat_chunk("lo"), chat_chunk(finish_reason="stop")):
            yield orjson.dumps(item)
        yield orjson.dumps({"choices": [], "usage": CHAT_ANSWER["usage"]})
        yield b"[DONE]"
