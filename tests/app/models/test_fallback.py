import asyncio
import time
from collections.abc import Sequence

import pytest

from app import errors
from app.completion import Prompt
from app.models import fallback
from app.models.attempt import Attempt
from app.models.fallback import FallbackChain
from tests.fakes.model import FakeModel, Hang
from tests.fakes.safeguards import safeguards

PROMPT = Prompt([{"role": "user", "content": "hello"}])
REJECTED = errors.UpstreamRejected("no")
BUSY = errors.UpstreamUnreachable("busy")
OK = ["Pa", "ris"]


def chain(
    *models: FakeModel, timeout_s: float = 5.0, max_retries: int = 0, limit: int | None = None
) -> tuple[FallbackChain, Sequence[str]]:
    clients = {f"m{number}": model for number, model in enumerate(models)}
    return FallbackChain(
        clients, safeguards(clients, threshold=100, limit=limit), timeout_s=timeout_s, max_retries=max_retries
    ), tuple(clients)


def limited(retry_after_s: float | None) -> errors.UpstreamRateLimited:
    return errors.UpstreamRateLimited("slow down", retry_after_s=retry_after_s)


def codes(attempts: Sequence[Attempt]) -> list[tuple[str, str]]:
    return [(attempt.model, attempt.code) for attempt in attempts]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "_BACK_OFF_BASE_S", 0.001)


async def test_the_first_model_answers() -> None:
    first, second = FakeModel(OK), FakeModel(OK)
    run, models = chain(first, second)
    answered = await run.complete(models, PROMPT)
    assert (answered.model, answered.completion.text, answered.attempts) == ("m0", "Paris", ())
    assert second.calls == 0
    assert first.prompts == [PROMPT]


async def test_an_error_goes_to_the_next_model() -> None:
    run, models = chain(FakeModel([REJECTED]), FakeModel([BUSY]), FakeModel(OK))
    answered = await run.complete(models, PROMPT)
    assert answered.model == "m2"
    assert codes(answered.attempts) == [("m0", "upstream_rejected"), ("m1", "upstream_unreachable")]
    assert all(attempt.latency_ms >= 0 for attempt in answered.attempts)


async def test_a_transient_error_is_retried_on_the_same_model() -> None:
    run, models = chain(FakeModel([BUSY], [BUSY], OK), FakeModel(OK), max_retries=2)
    answered = await run.complete(models, PROMPT)
    assert answered.model == "m0"
    assert codes(answered.attempts) == [("m0", "upstream_unreachable")] * 2


async def test_retries_are_limited() -> None:
    busy = FakeModel([BUSY])
    run, models = chain(busy, FakeModel(OK), max_retries=2)
    assert (await run.complete(models, PROMPT)).model == "m1"
    assert busy.calls == 3


@pytest.mark.parametrize("error", [REJECTED, errors.UpstreamTimeout("late"), errors.UpstreamInvalidAnswer("odd")])
async def test_other_errors_are_not_retried(error: errors.UpstreamError) -> None:
    broken = FakeModel([error])
    run, models = chain(broken, FakeModel(OK), max_retries=5)
    assert (await run.complete(models, PROMPT)).model == "m1"
    assert broken.calls == 1


async def test_a_short_retry_after_is_waited_for() -> None:
    run, models = chain(FakeModel([limited(0.2)], OK), max_retries=1)
    start = time.monotonic()
    assert (await run.complete(models, PROMPT)).model == "m0"
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(("retry_after_s", "timeout_s"), [(2.5, 60), (1.5, 1)])
async def test_a_long_retry_after_goes_to_the_next_model_at_once(retry_after_s: float, timeout_s: float) -> None:
    run, models = chain(FakeModel([limited(retry_after_s)]), FakeModel(OK), timeout_s=timeout_s, max_retries=3)
    start = time.monotonic()
    assert (await run.complete(models, PROMPT)).model == "m1"
    assert time.monotonic() - start < 0.5


def test_back_off_grows_with_jitter_up_to_its_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    pauses = [[fallback._pause_s(BUSY, retry) or 0 for _ in range(200)] for retry in range(10)]
    assert max(pauses[0]) <= 0.1 < max(pauses[2]) <= 0.4
    assert 1 < max(pauses[9]) <= 2
    assert min(pauses[9]) < 0.5


async def test_a_model_that_hangs_leaves_time_for_the_next() -> None:
    hanging = FakeModel([Hang()])
    run, models = chain(hanging, FakeModel(OK), timeout_s=0.4)
    start = time.monotonic()
    answered = await run.complete(models, PROMPT)
    assert 0.15 < time.monotonic() - start < 0.35
    assert codes(answered.attempts) == [("m0", "upstream_timeout")]
    assert hanging.left == 1


async def test_the_last_model_gets_all_that_is_left() -> None:
    run, models = chain(FakeModel([Hang()]), FakeModel([Hang()]), FakeModel([Hang()]), timeout_s=0.4)
    start = time.monotonic()
    with pytest.raises(errors.UpstreamTimeout, match="every candidate failed"):
        await run.complete(models, PROMPT)
    assert 0.35 < time.monotonic() - start < 0.6


async def test_one_candidates_own_error_is_raised() -> None:
    run, models = chain(FakeModel([REJECTED]))
    with pytest.raises(errors.UpstreamRejected) as caught:
        await run.complete(models, PROMPT)
    assert caught.value is REJECTED


async def test_errors_of_one_class_stay_that_class() -> None:
    run, models = chain(FakeModel([limited(9)]), FakeModel([limited(5)]), FakeModel([limited(None)]))
    with pytest.raises(errors.UpstreamRateLimited, match="m0: upstream_rate_limited, m1: ") as caught:
        await run.complete(models, PROMPT)
    assert caught.value.retry_after_s == 5


async def test_errors_of_several_classes_become_one() -> None:
    run, models = chain(FakeModel([REJECTED]), FakeModel([BUSY]))
    with pytest.raises(errors.UpstreamError, match="m0: upstream_rejected, m1: upstream_unreachable") as caught:
        await run.stream(models, PROMPT)
    assert type(caught.value) is errors.UpstreamError


async def test_a_stream_falls_back_before_its_first_chunk() -> None:
    run, models = chain(FakeModel([BUSY]), FakeModel([]), FakeModel([Hang()]), FakeModel(OK), timeout_s=0.4)
    streaming = await run.stream(models, PROMPT)
    assert streaming.model == "m3"
    assert [code for _, code in codes(streaming.attempts)] == [
        "upstream_unreachable",
        "upstream_invalid_answer",
        "upstream_timeout",
    ]
    assert [chunk.text async for chunk in streaming.chunks] == OK


async def test_no_fall_back_after_the_first_chunk() -> None:
    second = FakeModel(OK)
    run, models = chain(FakeModel(["Pa", BUSY]), second, max_retries=3)
    streaming = await run.stream(models, PROMPT)
    assert (await anext(streaming.chunks)).text == "Pa"
    with pytest.raises(errors.UpstreamUnreachable):
        await anext(streaming.chunks)
    assert second.calls == 0


async def test_a_stream_that_stands_still_is_stopped() -> None:
    hanging = FakeModel(["Pa", Hang()])
    run, models = chain(hanging, timeout_s=0.1)
    streaming = await run.stream(models, PROMPT)
    assert (await anext(streaming.chunks)).text == "Pa"
    with pytest.raises(errors.UpstreamTimeout, match="stood still"):
        await anext(streaming.chunks)
    assert hanging.left == 1


async def test_a_long_stream_outlives_the_time_limit() -> None:
    class Slow(FakeModel):
        async def stream(self, prompt: Prompt):  # type: ignore[no-untyped-def]
            async for chunk in super().stream(prompt):
                yield chunk
                await asyncio.sleep(0.06)

    run, models = chain(Slow(["a"] * 5), timeout_s=0.15)
    streaming = await run.stream(models, PROMPT)
    assert len([chunk async for chunk in streaming.chunks]) == 5


@pytest.mark.parametrize("read_first", [True, False])
async def test_closing_a_stream_stops_the_model(read_first: bool) -> None:
    model = FakeModel(OK)
    run, models = chain(model)
    streaming = await run.stream(models, PROMPT)
    if read_first:
        await anext(streaming.chunks)
    await streaming.chunks.aclose()
    assert model.left == 1
    assert [chunk async for chunk in streaming.chunks] == []


async def test_cancelling_stops_the_model() -> None:
    for method in ("complete", "stream"):
        model, second = FakeModel([Hang()]), FakeModel(OK)
        run, models = chain(model, second, timeout_s=60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(getattr(run, method)(models, PROMPT), 0.05)
        assert (model.left, second.calls) == (1, 0)


async def test_an_unknown_model_is_a_mistake_of_the_program() -> None:
    run, _ = chain(FakeModel(OK))
    with pytest.raises(KeyError):
        await run.complete(["nobody"], PROMPT)


async def test_the_error_that_ends_a_chain_carries_its_attempts() -> None:
    run, models = chain(FakeModel([BUSY]), FakeModel([REJECTED]), max_retries=1)
    for chosen, expected in ((models, ["m0", "m0", "m1"]), (models[:1], ["m0", "m0"])):
        with pytest.raises(errors.UpstreamError) as caught:
            await run.complete(chosen, PROMPT)
        assert [attempt.model for attempt in caught.value.attempts] == expected


async def test_time_spent_before_counts() -> None:
    run, models = chain(FakeModel([Hang()]), timeout_s=10)
    with pytest.raises(errors.UpstreamTimeout):
        await run.complete(models, PROMPT, spent_s=9.9)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_at_its_limit_is_passed_over_at_once(stream: bool) -> None:
    run, models = chain(FakeModel(["Pa", Hang()]), FakeModel(["Pa", Hang()]), limit=1, max_retries=3)
    calls = [await run.stream(models, PROMPT), await run.stream(models, PROMPT)]
    assert [call.model for call in calls] == ["m0", "m1"]
    with pytest.raises(errors.ModelBusy) as caught:
        await (run.stream if stream else run.complete)(models, PROMPT)
    assert (caught.value.status, caught.value.retry_after_s, caught.value.attempts) == (429, 1.0, ())
    assert run.safeguards.concurrency.refused == {"m0": 2, "m1": 1}
    await calls[0].chunks.aclose()
    assert (await run.stream(models, PROMPT)).model == "m0"


async def test_places_are_given_back_however_a_call_ends() -> None:
    run, models = chain(FakeModel(OK, OK, [BUSY], ["Pa", BUSY], OK), limit=1)
    await run.complete(models, PROMPT)
    assert [chunk.text async for chunk in (await run.stream(models, PROMPT)).chunks] == OK
    with pytest.raises(errors.UpstreamUnreachable):
        await run.complete(models, PROMPT)
    with pytest.raises(errors.UpstreamUnreachable):
        [chunk async for chunk in (await run.stream(models, PROMPT)).chunks]
    assert (await run.complete(models, PROMPT)).model == "m0"


async def test_streams_that_break_off_open_the_breaker() -> None:
    run, models = chain(FakeModel(["Pa", BUSY]))
    for _ in range(100):
        with pytest.raises(errors.UpstreamUnreachable):
            [chunk async for chunk in (await run.stream(models, PROMPT)).chunks]
    assert run.safeguards.breakers.blocks("m0")


async def test_a_breaker_that_opens_ends_the_retries() -> None:
    broken = FakeModel([BUSY])
    clients = {"m": broken}
    run = FallbackChain(clients, safeguards(clients, threshold=2), timeout_s=5, max_retries=10)
    with pytest.raises(errors.UpstreamUnreachable):
        await run.complete(["m"], PROMPT)
    assert broken.calls == 2
