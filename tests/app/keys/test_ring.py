"""How long a key is taken for good without asking, and what guesses cost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain import Tier
from app.errors import StorageUnavailable, Unauthorized
from app.keys import ring as module
from app.keys.key import ApiKey, digest, make_token
from app.keys.ring import FRESH_S, GRACE_S, LOOK_AGAIN_S, MAX_LOOKUPS, KeyRing

START = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)


class FakeKeys:
    """A KeyStore in memory, which may be down or hang."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.lookups: list[str] = []
        self.noted: list[tuple[str, date]] = []
        self.fault: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def find(self, id_: str) -> ApiKey | None:
        self.lookups.append(id_)
        await self.answers.wait()
        if self.fault:
            raise self.fault
        return self.keys.get(id_)

    async def used(self, id_: str, day: date) -> None:
        self.noted.append((id_, day))

    def add(self) -> tuple[str, ApiKey]:
        id_, token = make_token()
        self.keys[id_] = key = ApiKey(id_, digest(token), None, "acme", Tier.PRO, False, START)
        return token, key


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def monotonic(self) -> float:
        return self.s

    def utcnow(self) -> datetime:
        return START + timedelta(seconds=self.s)


@pytest.fixture
def store() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ring(store: FakeKeys, clock: Clock) -> AsyncIterator[KeyRing]:
    ring = KeyRing(store, monotonic=clock.monotonic, utcnow=clock.utcnow)  # type: ignore[arg-type]
    yield ring
    await ring.close()


async def test_a_known_key_is_not_asked_for_again_and_a_revoked_one_dies_in_time(
    ring: KeyRing, store: FakeKeys, clock: Clock
) -> None:
    token, key = store.add()
    for _ in range(3):
        assert (await ring.find(token)).tenant == "acme"
    assert store.lookups == [key.id]
    store.keys[key.id] = replace(key, revoked_at=START)
    clock.s = FRESH_S - 0.1
    await ring.find(token)
    clock.s = FRESH_S
    with pytest.raises(Unauthorized, match=f"{key.id} was revoked on 2026-01-01"):
        await ring.find(token)


async def test_an_expired_key_is_refused_at_once(ring: KeyRing, store: FakeKeys, clock: Clock) -> None:
    token, key = store.add()
    store.keys[key.id] = replace(key, expires_at=START + timedelta(seconds=5))
    await ring.find(token)
    clock.s = 5.0
    with pytest.raises(Unauthorized, match="expired on 2026-01-01"):
        await ring.find(token)


async def test_the_day_of_use_is_written_once_a_day(ring: KeyRing, store: FakeKeys, clock: Clock) -> None:
    token, key = store.add()
    for clock.s in (0.0, 1.0, 61.0, 62.0):
        await ring.find(token)
    await asyncio.sleep(0)
    assert store.noted == [(key.id, date(2026, 1, 1)), (key.id, date(2026, 1, 2))]


@pytest.mark.parametrize("fault", [StorageUnavailable("down"), ValueError("a fault of ours")])
async def test_without_a_database_known_keys_go_on_for_a_while(
    ring: KeyRing, store: FakeKeys, clock: Clock, fault: Exception
) -> None:
    token, key = store.add()
    other, _ = store.add()
    await ring.find(token)
    store.fault = fault
    for clock.s in (FRESH_S, FRESH_S + 1, GRACE_S - 1):
        assert (await ring.find(token)).id == key.id
    assert len(store.lookups) == 3  # the second of these was within LOOK_AGAIN_S
    with pytest.raises(StorageUnavailable):
        await ring.find(other)
    clock.s = GRACE_S + LOOK_AGAIN_S
    with pytest.raises(StorageUnavailable):
        await ring.find(token)
    store.fault = None
    assert (await ring.find(token)).id == key.id


@pytest.mark.parametrize("wrong", ["lr-", "lr-0123456789ab-short", "sk-123", "lr-0123456789ab-" + "g" * 64, "é"])
async def test_what_is_no_token_costs_no_lookup(ring: KeyRing, store: FakeKeys, wrong: str) -> None:
    with pytest.raises(Unauthorized):
        await ring.find(wrong)
    assert store.lookups == []


async def test_a_wrong_secret_is_not_known_and_says_nothing_of_the_id(ring: KeyRing, store: FakeKeys) -> None:
    token, key = store.add()
    store.keys[key.id] = replace(key, revoked_at=START)
    with pytest.raises(Unauthorized) as of_a_key:
        await ring.find(token[:-64] + "0" * 64)
    with pytest.raises(Unauthorized) as of_none:
        await ring.find(make_token()[1])
    assert of_a_key.value.message == of_none.value.message
    assert store.noted == []


async def test_guesses_neither_push_keys_out_nor_pile_up(
    ring: KeyRing, store: FakeKeys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 2)
    monkeypatch.setattr(module, "LOOKUP_S", 0.01)
    token, key = store.add()
    await ring.find(token)
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await ring.find(make_token()[1])
    await ring.find(token)
    assert store.lookups.count(key.id) == 1
    store.answers.clear()
    guesses = [ring.find(make_token()[1]) for _ in range(3 * MAX_LOOKUPS)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StorageUnavailable}
    clock.s = FRESH_S
    assert (await ring.find(token)).id == key.id


async def test_requests_that_come_together_share_a_lookup(ring: KeyRing, store: FakeKeys) -> None:
    token, key = store.add()
    store.answers.clear()
    waiting = asyncio.gather(*(ring.find(token) for _ in range(20)))
    left = asyncio.create_task(ring.find(token))
    await asyncio.sleep(0)
    left.cancel()
    store.answers.set()
    assert {found.id for found in await waiting} == {key.id}
    assert store.lookups == [key.id]
