"""Storage as the router uses it: one object to open, to ask and to close."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from app.errors import StorageUnavailable
from app.models.catalogue import Prices
from app.storage.api_keys import KeyStore
from app.storage.database import Database, open_database
from app.storage.recorder import Recorder
from app.storage.releases import Releases
from app.storage.repository import Repository
from app.storage.spool import Spool
from app.storage.statistics import Statistics, read_statistics

logger = logging.getLogger(__name__)
EXPIRE_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`url` is DATABASE_URL. Rows older than `retention_days` go."""

    url: str
    pool_size: int
    commit_timeout_s: float
    spool_folder: Path
    spool_max_mb: int
    retention_days: int


class Store:
    """One a process."""

    def __init__(self, database: Database, settings: StoreSettings) -> None:
        self.repository = Repository(database)
        self.releases = Releases(database)
        self.keys = KeyStore(database)
        spool = Spool(settings.spool_folder, settings.spool_max_mb)
        self.recorder = Recorder(self.repository, spool, commit_timeout_s=settings.commit_timeout_s)
        self._database = database
        self._kept_for = timedelta(days=settings.retention_days)
        self._expiry: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: StoreSettings) -> Self:
        """A database that is down is no error: rows wait in the spool. Raises ConfigError when it can never work."""
        database = open_database(settings.url, pool_size=settings.pool_size)
        with suppress(StorageUnavailable):
            await database.prepare()
        store = cls(database, settings)
        await store.recorder.start()
        store._expiry = asyncio.create_task(store._expire())
        return store

    async def statistics(self, window: timedelta, prices: Mapping[str, Prices], strongest: str) -> Statistics:
        until = datetime.now(UTC)
        return await read_statistics(self._database, until - window, until, prices, strongest)

    async def close(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.wait([self._expiry])
        await self.recorder.close()
        await self._database.close()

    async def _expire(self) -> None:
        """Every replica does it: what one has taken, the others do not find."""
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            try:
                gone = await self.repository.expire(datetime.now(UTC) - self._kept_for)
                if gone.decisions:
                    logger.info("%d requests were older than %d days and are gone", gone.decisions, self._kept_for.days)
            except StorageUnavailable as error:
                logger.warning("old requests stay for now: %s", error)
