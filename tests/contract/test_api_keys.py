"""SQLite and a real PostgreSQL keep API keys alike, and never a secret; a database that stops is a 503, not a 500."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.domain import Tier
from app.errors import StorageUnavailable
from app.keys.key import ApiKey, digest, make_token
from app.keys.ring import KeyRing
from app.storage.api_keys import KeyStore
from app.storage.database import Database, open_database
from tests.app.storage.samples import NOW
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


@pytest.fixture
def store(database: Database) -> KeyStore:
    return KeyStore(database)


def make_key() -> tuple[str, ApiKey]:
    id_, token = make_token()
    return token, ApiKey(id_, digest(token), "web shop", "acme", Tier.PRO, False, NOW)


async def test_a_key_comes_back_as_it_was_given(store: KeyStore) -> None:
    (token, first), (_, second) = make_key(), make_key()
    second = replace(second, name=None, admin=True, created_at=NOW + DAY, expires_at=NOW + 90 * DAY)
    for key in (second, first):
        await store.add(key)
    assert await store.find(first.id) == first
    assert await store.all() == [first, second]
    assert await store.find("000000000000") is None
    assert token.rpartition("-")[2] not in str(first)
    assert first.digest not in repr(first)


async def test_a_key_is_revoked_once(store: KeyStore) -> None:
    _, key = make_key()
    await store.add(key)
    assert await store.revoke(key.id, NOW) == replace(key, revoked_at=NOW)
    assert await store.revoke(key.id, NOW + DAY) == replace(key, revoked_at=NOW)
    assert await store.revoke("000000000000", NOW) is None


async def test_the_last_day_of_use_does_not_go_back(store: KeyStore) -> None:
    _, key = make_key()
    await store.add(key)
    for day in (date(2026, 1, 2), date(2026, 1, 1)):
        await store.used(key.id, day)
    found = await store.find(key.id)
    assert found is not None
    assert found.last_used_on == date(2026, 1, 2)


async def test_postgresql_that_stops_leaves_known_keys_alone(postgres: Postgres) -> None:
    database = open_database(postgres.url(postgres.database()))
    ring = KeyRing(KeyStore(database))
    (known, key), (unknown, other) = make_key(), make_key()
    for one in (key, other):
        await KeyStore(database).add(one)
    try:
        assert (await ring.find(known)).id == key.id
        postgres.stop()
        assert (await ring.find(known)).id == key.id
        with pytest.raises(StorageUnavailable):
            await ring.find(unknown)
    finally:
        if not postgres.running:
            postgres.start()
        await ring.close()
        await database.close()
