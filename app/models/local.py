"""The client of a model that runs on the router's own cluster (a vLLM replica behind a handle)."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

import orjson

from app.domain import Chunk, Completion, Prompt
from app.errors import UpstreamError, UpstreamInvalidAnswer
from app.models import openai
from app.models.catalogue import ModelSpec


class LocalBackend(Protocol):
    """Where local models run. It speaks OpenAI's chat format, encoded as JSON."""

    def unavailable(self) -> str | None:
        """Why no local model can be called now; None when they can."""
        ...

    def chat(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """One item, or with `stream: true` one item a chunk. Raises UpstreamError; closing it stops the engine's work."""
        ...


class LocalClient:
    """Implements ModelClient over a LocalBackend."""

    def __init__(self, spec: ModelSpec, backend: LocalBackend) -> None:
        self._spec = spec
        self._backend = backend

    async def complete(self, prompt: Prompt) -> Completion:
        async for item in self._backend.chat(self._body(prompt, stream=False)):
            return openai.read_completion(self._spec, item)
        raise UpstreamInvalidAnswer(f"{self._spec.id}: the replica ended without an answer")

    async def stream(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        raise NotImplementedError
        yield

    def _body(self, prompt: Prompt, *, stream: bool) -> bytes:
        raise NotImplementedError
