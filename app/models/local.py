"""The client of a model that runs on the router's own cluster (a vLLM replica behind a handle)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from app.completion import Chunk, Completion, Prompt
from app.models.catalogue import ModelSpec
from app.models.openai import ChunkReader, read_completion
from app.models.parameters import accepted, stream_options
from app.models.upstream_errors import encoded, invalid_answer


class LocalBackend(Protocol):
    """Where local models run. It speaks OpenAI's chat format, encoded as JSON."""

    def unavailable(self) -> str | None:
        """Why no local model can be called now; None when they can."""
        ...

    def in_flight(self, model: str) -> int:
        """Calls to the local model of this `upstream_name` that have not ended, from this process."""
        ...

    def chat(self, model: str, body: bytes) -> AsyncGenerator[bytes, None]:
        """One item, or with `stream: true` one a chunk, then `[DONE]`. Closing it stops the engine's work.

        Raises UpstreamError.
        """
        ...


class LocalClient:
    """A `ModelClient` over a LocalBackend."""

    def __init__(self, spec: ModelSpec, backend: LocalBackend) -> None:
        self._spec = spec
        self._backend = backend

    async def complete(self, prompt: Prompt) -> Completion:
        parameters = accepted(self._spec, prompt)
        parameters.pop("stream_options", None)
        async with aclosing(
            self._backend.chat(self._spec.upstream_name, self._body(prompt, parameters, stream=False))
        ) as items:
            async for item in items:
                return read_completion(self._spec, item)
        raise invalid_answer(self._spec, "is empty")

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        options = stream_options(self._spec, prompt)
        parameters = accepted(self._spec, prompt) | {"stream_options": {**options, "include_usage": True}}
        reader = ChunkReader(self._spec, usage_wanted=bool(options.get("include_usage")))
        async with aclosing(
            self._backend.chat(self._spec.upstream_name, self._body(prompt, parameters, stream=True))
        ) as items:
            async for item in items:
                if chunk := reader.read(item):
                    yield chunk
        reader.check_end()

    async def close(self) -> None:
        """Nothing is open between calls."""

    def _body(self, prompt: Prompt, parameters: dict[str, object], *, stream: bool) -> bytes:
        body = {**parameters, "model": self._spec.upstream_name, "messages": prompt.messages, "stream": stream}
        return encoded(self._spec, body)
