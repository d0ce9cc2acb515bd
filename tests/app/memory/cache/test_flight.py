import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.memory.cache.flight import SingleFlight


class Work:
    """Waits to be told its end, and counts how often it was begun and cancelled."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return "done"


async def begun(
    flights: SingleFlight[str], work: Callable[[], Awaitable[str]], count: int
) -> list[asyncio.Task[tuple[str, bool]]]:
    tasks = [asyncio.create_task(flights.share("key", work)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_identical_requests_share_one_call() -> None:
    flights, work = SingleFlight[str](), Work()
    tasks = await begun(flights, work, 5)
    work.end.set()

    results = await asyncio.gather(*tasks)

    assert work.begun == 1
    assert results == [("done", False), *[("done", True)] * 4]


async def test_another_key_is_another_call() -> None:
    flights, work = SingleFlight[str](), Work()
    work.end.set()

    await asyncio.gather(flights.share("a", work), flights.share("b", work))

    assert work.begun == 2


async def test_the_first_one_leaving_does_not_stop_the_others() -> None:
    flights, work = SingleFlight[str](), Work()
    first, second = await begun(flights, work, 2)

    first.cancel()
    await asyncio.wait([first])
    work.end.set()

    assert await second == ("done", True)
    assert first.cancelled()
    assert work.cancelled == 0


async def test_the_last_one_leaving_stops_the_work() -> None:
    flights, work = SingleFlight[str](), Work()
    tasks = await begun(flights, work, 2)

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0)

    assert work.cancelled == 1


async def test_who_comes_after_everybody_left_starts_anew() -> None:
    flights, left, work = SingleFlight[str](), Work(), Work()
    (task,) = await begun(flights, left, 1)
    task.cancel()
    await asyncio.wait([task])
    work.end.set()

    assert await flights.share("key", work) == ("done", False)


async def test_an_error_reaches_all_and_is_not_kept() -> None:
    flights, work = SingleFlight[str](), Work()
    work.error = ValueError("no")
    tasks = await begun(flights, work, 3)
    work.end.set()

    assert [type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)] == [ValueError] * 3

    work.error = None
    assert await flights.share("key", work) == ("done", False)


async def test_a_finished_call_is_forgotten() -> None:
    flights, work = SingleFlight[str](), Work()
    work.end.set()

    await flights.share("key", work)
    await flights.share("key", work)

    assert work.begun == 2


async def test_an_error_that_nobody_waits_for_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    async def fails_when_cancelled() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("on the way out")

    flights = SingleFlight[str]()
    (task,) = await begun(flights, fails_when_cancelled, 1)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.01)

    assert caplog.records == []
