"""The seam between the router and a model, whoever runs it."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from app.completion import Chunk, Completion, Prompt


class ModelClient(Protocol):
    """One model of the catalogue, ready to be called.

    Both methods raise `UpstreamError` and nothing else, and stop the call to the provider when they are cancelled.
    They set no time limit on the answer: the caller does (`asyncio.timeout`).
    """

    async def complete(self, prompt: Prompt) -> Completion:
        """The whole answer."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """The answer in pieces, as they come. The last chunk carries the usage where the provider sends it."""
        ...

    async def close(self) -> None:
        """Lets go of connections that belong to this client alone."""
        ...


class Chunks(Protocol):
    """A stream that has begun. Close it when it is not read to its end; that stops the call to the provider."""

    def __aiter__(self) -> AsyncIterator[Chunk]: ...

    async def __anext__(self) -> Chunk: ...

    async def aclose(self) -> None: ...
