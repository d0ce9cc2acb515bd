"""The chain: the first model that answers, within one time limit."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from app.completion import Completion, Prompt
from app.errors import ModelBusy, UpstreamError, UpstreamRateLimited, UpstreamTimeout
from app.models.attempt import Attempt
from app.models.begun import Begun, opened
from app.models.breaker import SHORT_WAIT_S
from app.models.client import Chunks, ModelClient
from app.models.safeguards import Safeguards

_BACK_OFF_BASE_S = 0.1

T = TypeVar("T")
Call = Callable[[ModelClient], Awaitable[T]]


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
    A model whose breaker is open or that is at its limit is passed over at once.
    `last_success` says when a model answered last.
    """

    def __init__(
        self, clients: Mapping[str, ModelClient], safeguards: Safeguards, *, timeout_s: float, max_retries: int
    ) -> None:
        self._clients = clients
        self.safeguards = safeguards
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self.last_success: dict[str, datetime] = {}

    async def complete(self, models: Sequence[str], prompt: Prompt, spent_s: float = 0.0) -> Answered:
        """`spent_s` of the time limit are over. Raises UpstreamError, with its attempts, when no model answers."""
        run = _Run(time.monotonic() + self._timeout_s - spent_s)
        model, completion = await self._first(models, run, lambda client: client.complete(prompt))
        self.safeguards.concurrency.leave(model)
        return Answered(model, completion, tuple(run.attempts))

    async def stream(self, models: Sequence[str], prompt: Prompt, spent_s: float = 0.0) -> Streaming:
        """Returns once the first chunk is there. After it there is no other model: `chunks` raises the error."""
        run = _Run(time.monotonic() + self._timeout_s - spent_s)
        model, (first, rest) = await self._first(models, run, lambda client: opened(client.stream(prompt)))
        chunks = Begun(model, first, rest, self._timeout_s, partial(self._stream_ended, model))
        return Streaming(model, tuple(run.attempts), chunks)

    async def _first(self, models: Sequence[str], run: "_Run", call: Call[T]) -> tuple[str, T]:
        """Whoever gets the result has to leave the model's concurrency when it has ended."""
        errors: dict[str, UpstreamError] = {}
        for model in models:
            share = 1.0 if model == models[-1] else 0.5
            try:
                result = await self._ask(model, run, partial(call, self._clients[model]), share)
            except UpstreamError as error:
                errors[model] = error
            else:
                self.last_success[model] = datetime.now(UTC)
                return model, result
        raise _all_failed(errors, run.attempts)

    async def _ask(self, model: str, run: "_Run", call: Callable[[], Awaitable[T]], share: float) -> T:
        if self.safeguards.breakers.blocks(model):  # since the decision
            raise self.safeguards.breakers.refusal(model)
        self.safeguards.concurrency.enter(model)
        try:
            self.safeguards.budget.called(model)
            return await self._with_retries(model, run, call, share)
        except BaseException:
            self.safeguards.concurrency.leave(model)
            raise

    async def _with_retries(self, model: str, run: "_Run", call: Callable[[], Awaitable[T]], share: float) -> T:
        """The breaker sees each attempt. One that has opened meanwhile ends the retries."""
        failure: UpstreamError | None = None
        for retry in range(self._max_retries + 1):
            if failure is not None and self.safeguards.breakers.blocks(model):
                break
            try:
                with self.safeguards.breakers.watch(model):
                    return await run.attempt(model, call, share)
            except UpstreamError as error:
                failure = error
            pause_s = _pause_s(failure, retry)
            if not failure.transient or pause_s is None or pause_s >= share * run.left_s():
                break
            if retry == self._max_retries or not self.safeguards.budget.take(model):
                break
            await asyncio.sleep(pause_s)
        assert failure is not None
        raise failure

    def _stream_ended(self, model: str, error: UpstreamError | None) -> None:
        self.safeguards.concurrency.leave(model)
        if error is not None:
            self.safeguards.breakers.failed(model, error)


@dataclass(slots=True)
class _Run:
    """One query on its way through the chain."""

    deadline: float
    attempts: list[Attempt] = field(default_factory=list)

    async def attempt(self, model: str, call: Callable[[], Awaitable[T]], share: float) -> T:
        start = time.monotonic()
        limit_s = share * self.left_s()
        try:
            try:
                async with asyncio.timeout(limit_s):
                    return await call()
            except TimeoutError:
                raise UpstreamTimeout(f"{model}: no answer within {limit_s:.1f} s") from None
        except UpstreamError as error:
            self.attempts.append(Attempt(model, error.code, (time.monotonic() - start) * 1000))
            raise

    def left_s(self) -> float:
        return max(self.deadline - time.monotonic(), 0.0)


def _pause_s(error: UpstreamError, retry: int) -> float | None:
    """Exponential back-off with full jitter, or what the provider asks for; None when that is too long to wait."""
    if error.retry_after_s is None:
        return random.uniform(0, min(SHORT_WAIT_S, _BACK_OFF_BASE_S * 2**retry))
    return error.retry_after_s if error.retry_after_s <= SHORT_WAIT_S else None


def _all_failed(errors: Mapping[str, UpstreamError], attempts: Sequence[Attempt]) -> UpstreamError:
    """One model's own error; else the class that says best what happened, for its status."""
    if len(errors) == 1:
        (only,) = errors.values()
        only.attempts = tuple(attempts)
        return only
    waits = [error.retry_after_s for error in errors.values() if error.retry_after_s is not None]
    told = ", ".join(f"{model}: {error.code}" for model, error in errors.items())
    kind = _kind({type(error) for error in errors.values()})
    whole = kind(f"every candidate failed: {told}", retry_after_s=min(waits, default=None))
    whole.attempts = tuple(attempts)
    return whole


def _kind(kinds: set[type[UpstreamError]]) -> type[UpstreamError]:
    """What all share. Where one is only busy, the request may pass later, whatever the others said."""
    if len(kinds) == 1:
        return kinds.pop()
    if ModelBusy in kinds:
        return ModelBusy
    return UpstreamRateLimited if all(issubclass(kind, UpstreamRateLimited) for kind in kinds) else UpstreamError
