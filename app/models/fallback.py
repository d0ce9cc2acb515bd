"""The chain: the first model that answers, within one time limit."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from app.completion import Chunk, Completion, Prompt
from app.errors import UpstreamError, UpstreamInvalidAnswer, UpstreamTimeout, UpstreamUnreachable
from app.models.breaker import BLOCKED, Breakers
from app.models.client import Chunks, ModelClient

_BACK_OFF_BASE_S = 0.1
_BACK_OFF_CAP_S = 2.0

T = TypeVar("T")
Call = Callable[[ModelClient], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that failed, and the code of its error."""

    model: str
    code: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer, the model that gave it, and the calls that failed before."""

    model: str
    completion: Completion
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Streaming:
    """A stream whose first chunk is there."""

    model: str
    attempts: tuple[Attempt, ...]
    chunks: Chunks


class FallbackChain:
    """Tries models in order. An error that may pass is first met by trying the same model again.

    `timeout_s` limits a whole answer, and the wait for each chunk of a stream, retries and all models included.
    While other models remain, a call gets at most half of what is left, so that one that hangs leaves time for them.
    `last_success` says when a model answered last.
    """

    def __init__(
        self, clients: Mapping[str, ModelClient], breakers: Breakers, *, timeout_s: float, max_retries: int
    ) -> None:
        self._clients = clients
        self.breakers = breakers
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self.last_success: dict[str, datetime] = {}

    async def complete(self, models: Sequence[str], prompt: Prompt) -> Answered:
        """Raises UpstreamError when no model answers."""
        run = _Run(time.monotonic() + self._timeout_s, self._max_retries)
        model, completion = await self._first(models, run, lambda client: client.complete(prompt))
        return Answered(model, completion, tuple(run.attempts))

    async def stream(self, models: Sequence[str], prompt: Prompt) -> Streaming:
        """Returns once the first chunk is there. After it there is no other model: `chunks` raises the error."""
        run = _Run(time.monotonic() + self._timeout_s, self._max_retries)
        model, (first, rest) = await self._first(models, run, lambda client: _opened(client.stream(prompt)))
        return Streaming(model, tuple(run.attempts), _Begun(model, first, rest, self._timeout_s))

    async def _first(self, models: Sequence[str], run: "_Run", call: Call[T]) -> tuple[str, T]:
        errors: dict[str, UpstreamError] = {}
        for model in models:
            if self.breakers.blocks(model):  # since the decision
                errors[model] = UpstreamUnreachable(f"{model}: {BLOCKED}", retry_after_s=1.0)
                continue
            attempt = partial(call, self._clients[model])
            share = 1.0 if model == models[-1] else 0.5
            try:
                with self.breakers.watch(model):
                    result = await run.with_retries(model, attempt, share)
            except UpstreamError as error:
                errors[model] = error
            else:
                self.last_success[model] = datetime.now(UTC)
                return model, result
        raise _all_failed(errors)


@dataclass(slots=True)
class _Run:
    """One query on its way through the chain."""

    deadline: float
    max_retries: int
    attempts: list[Attempt] = field(default_factory=list)

    async def with_retries(self, model: str, call: Callable[[], Awaitable[T]], share: float) -> T:
        retry = 0
        while True:
            try:
                return await self._attempt(model, call, share)
            except UpstreamError as error:
                pause_s = _pause_s(error, retry)
                if not error.transient or retry >= self.max_retries or pause_s is None or pause_s >= self._left_s():
                    raise
            retry += 1
            await asyncio.sleep(pause_s)

    async def _attempt(self, model: str, call: Callable[[], Awaitable[T]], share: float) -> T:
        start = time.monotonic()
        limit_s = share * self._left_s()
        try:
            try:
                async with asyncio.timeout(limit_s):
                    return await call()
            except TimeoutError:
                raise UpstreamTimeout(f"{model}: no answer within {limit_s:.1f} s") from None
        except UpstreamError as error:
            self.attempts.append(Attempt(model, error.code, (time.monotonic() - start) * 1000))
            raise

    def _left_s(self) -> float:
        return max(self.deadline - time.monotonic(), 0.0)


class _Begun:
    """The chunks of a stream that has begun, each awaited no longer than `idle_s`.

    Not a generator: closing one that was never read would not close the call to the provider.
    """

    def __init__(self, model: str, first: Chunk, rest: AsyncIterator[Chunk], idle_s: float) -> None:
        self._model = model
        self._first: Chunk | None = first
        self._rest = rest
        self._idle_s = idle_s

    def __aiter__(self) -> "_Begun":
        return self

    async def __anext__(self) -> Chunk:
        first, self._first = self._first, None
        if first is not None:
            return first
        try:
            async with asyncio.timeout(self._idle_s):
                return await anext(self._rest)
        except TimeoutError:
            await self.aclose()
            raise UpstreamTimeout(f"{self._model}: the stream stood still for {self._idle_s:.1f} s") from None

    async def aclose(self) -> None:
        """Stops the call to the provider."""
        self._first = None
        await _close(self._rest)


async def _opened(chunks: AsyncIterator[Chunk]) -> tuple[Chunk, AsyncIterator[Chunk]]:
    try:
        return await anext(chunks), chunks
    except StopAsyncIteration:
        raise UpstreamInvalidAnswer("the stream is empty") from None
    except BaseException:
        await _close(chunks)
        raise


async def _close(chunks: AsyncIterator[Chunk]) -> None:
    """An iterator that is no generator may have nothing to close."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


def _pause_s(error: UpstreamError, retry: int) -> float | None:
    """Exponential back-off with full jitter, or what the provider asks for; None when that is too long to wait."""
    if error.retry_after_s is None:
        return random.uniform(0, min(_BACK_OFF_CAP_S, _BACK_OFF_BASE_S * 2**retry))
    return error.retry_after_s if error.retry_after_s <= _BACK_OFF_CAP_S else None


def _all_failed(errors: Mapping[str, UpstreamError]) -> UpstreamError:
    """One model's own error; else the class that all share, so that the status says what happened."""
    if len(errors) == 1:
        return next(iter(errors.values()))
    kinds = {type(error) for error in errors.values()}
    kind = kinds.pop() if len(kinds) == 1 else UpstreamError
    waits = [error.retry_after_s for error in errors.values() if error.retry_after_s is not None]
    told = ", ".join(f"{model}: {error.code}" for model, error in errors.items())
    return kind(f"every candidate failed: {told}", retry_after_s=min(waits, default=None))
