"""Gather: at once when idle, together while a call is in flight, and nobody waits for ever."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.errors import StageBusy
from deployments.gather import Gather


class Calls:
    def __init__(self, pause_s: float = 0.0, fails: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.pause_s, self.fails = pause_s, fails

    async def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        await asyncio.sleep(self.pause_s)
        if self.fails:
            raise RuntimeError("broken")
        return [item * 10 for item in items]


def gathering(call: Callable[[list[int]], Awaitable[list[int]]], **changes: Any) -> Gather[int, int]:
    usual: dict[str, Any] = {"max_batch": 8, "work": int, "max_work": 100, "max_waiting": 100, "call_timeout_s": 1}
    return Gather(call, **usual | changes)


async def test_one_goes_at_once_and_what_comes_meanwhile_goes_together() -> None:
    calls = Calls(pause_s=0.02)
    gather = gathering(calls, max_batch=3)
    first = asyncio.create_task(gather(1))
    await asyncio.sleep(0.005)
    others = [asyncio.create_task(gather(i)) for i in range(2, 7)]
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40, 50, 60]
    assert calls.batches == [[1], [2, 3, 4], [5, 6]]


async def test_no_batch_is_more_work_than_it_may_be_but_for_one_item_alone() -> None:
    calls = Calls(pause_s=0.02)
    gather = gathering(calls, max_work=10)
    first = asyncio.create_task(gather(1))
    await asyncio.sleep(0.005)
    await asyncio.gather(first, *(gather(item) for item in (4, 6, 5, 12, 3)))
    assert calls.batches == [[1], [4, 6], [5], [12], [3]]


async def test_an_error_reaches_every_item_of_its_batch_and_the_next_batch_goes_out() -> None:
    calls = Calls(fails=True)
    gather = gathering(calls)
    results = await asyncio.gather(gather(1), gather(2), return_exceptions=True)
    assert [str(result) for result in results] == ["broken", "broken"]
    calls.fails = False
    assert await gather(3) == 30


async def test_a_call_that_hangs_does_not_hold_up_the_next() -> None:
    calls = Calls(pause_s=60)
    gather = gathering(calls, call_timeout_s=0.02)
    with pytest.raises(TimeoutError):
        await gather(1)
    calls.pause_s = 0
    assert await gather(2) == 20


async def test_who_has_left_is_not_sent() -> None:
    calls = Calls(pause_s=0.02)
    gather = gathering(calls)
    first = asyncio.create_task(gather(1))
    await asyncio.sleep(0.005)
    leaver, stayer = asyncio.create_task(gather(2)), asyncio.create_task(gather(3))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await asyncio.gather(first, stayer) == [10, 30]
    assert calls.batches == [[1], [3]]


async def test_an_answer_of_the_wrong_length_is_an_error() -> None:
    async def short(items: list[int]) -> list[int]:
        return items[1:]

    with pytest.raises(ValueError, match="shorter"):
        await gathering(short)(1)


async def test_a_call_that_is_cancelled_fails_its_items_and_the_next_batch_goes_out() -> None:
    calls = 0

    async def call(items: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise asyncio.CancelledError
        return items

    gather = gathering(call)
    with pytest.raises(RuntimeError, match="cancelled"):
        await gather(1)
    assert await gather(2) == 2


async def test_a_batch_does_not_run_in_the_context_of_one_request() -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="nobody's")
    seen = []

    async def call(items: list[int]) -> list[int]:
        seen.append(request.get())
        return items

    request.set("first")
    await gathering(call)(1)
    assert seen == ["nobody's"]


async def test_a_full_queue_turns_away_at_once() -> None:
    calls = Calls(pause_s=0.02)
    gather = gathering(calls, max_waiting=2)
    first = asyncio.create_task(gather(1))
    await asyncio.sleep(0.005)
    waiting = [asyncio.create_task(gather(2)), asyncio.create_task(gather(3))]
    await asyncio.sleep(0)
    with pytest.raises(StageBusy):
        await gather(4)
    assert await asyncio.gather(first, *waiting) == [10, 20, 30]
    assert await gather(5) == 50
