"""The API keys in the database: digests, never a secret."""

from dataclasses import asdict
from datetime import date, datetime

from sqlalchemy import RowMapping, insert, or_, select, update

from app.domain import Tier
from app.keys.key import ApiKey
from app.storage.database import Database
from app.storage.tables import table


class KeyStore:
    """Every method raises StorageUnavailable when the database cannot be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(insert(table("api_key")).values(asdict(key)))

    async def find(self, id_: str) -> ApiKey | None:
        """Whatever state it is in."""
        api_key = table("api_key")
        async with self._database.transaction(reads_only=True) as connection:
            found = (await connection.execute(select(api_key).where(api_key.c.id == id_))).mappings().first()
        return None if found is None else _key(found)

    async def all(self) -> list[ApiKey]:
        """The oldest first."""
        api_key = table("api_key")
        async with self._database.transaction(reads_only=True) as connection:
            found = await connection.execute(select(api_key).order_by(api_key.c.created_at, api_key.c.id))
            return [_key(row) for row in found.mappings()]

    async def revoke(self, id_: str, now: datetime) -> ApiKey | None:
        """The key as it is then; None when there is none. One that is revoked already keeps its time."""
        api_key = table("api_key")
        good = (api_key.c.id == id_) & api_key.c.revoked_at.is_(None)
        async with self._database.transaction() as connection:
            await connection.execute(update(api_key).where(good).values(revoked_at=now))
        return await self.find(id_)

    async def used(self, id_: str, day: date) -> None:
        api_key = table("api_key")
        earlier = or_(api_key.c.last_used_on.is_(None), api_key.c.last_used_on < day)
        async with self._database.transaction() as connection:
            await connection.execute(update(api_key).where(api_key.c.id == id_).where(earlier).values(last_used_on=day))


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(**{**row, "tier": Tier(row["tier"])})
