"""A model without a provider, told beforehand what to do at each call."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from app.completion import Chunk, Completion, Prompt, Usage
from app.errors import UpstreamError


@dataclass(frozen=True)
class Hang:
    """In a script: nothing comes any more."""


Item = str | UpstreamError | Hang


class FakeModel:
    """A `ModelClient`. One script a call, the last one for all calls after it.

    A script is the pieces of the answer; an error is raised at its place. `prompts` holds what was asked, `left`
    counts the calls that the caller left before their end.
    """

    def __init__(self, *scripts: Sequence[Item]) -> None:
        self._scripts = scripts
        self.prompts: list[Prompt] = []
        self.left = 0

    @property
    def calls(self) -> int:
        return len(self.prompts)

    async def complete(self, prompt: Prompt) -> Completion:
        text = "".join([chunk.text async for chunk in self.stream(prompt)])
        return Completion(text=text, usage=Usage(1, 1), body=b"{}")

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        script = self._scripts[min(self.calls, len(self._scripts) - 1)]
        self.prompts.append(prompt)
        try:
            for item in script:
                match item:
                    case UpstreamError():
                        raise item
                    case Hang():
                        await asyncio.Event().wait()
                    case text:
                        yield Chunk(data=text.encode(), text=text)
        except (asyncio.CancelledError, GeneratorExit):
            self.left += 1
            raise

    async def close(self) -> None:
        pass
