"""The database behind DATABASE_URL: a SQLite file, or PostgreSQL through psycopg 3."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import StorageUnavailable
from app.storage.bulk import Bulk, PostgresBulk, Rows, SqliteBulk
from app.storage.engines import READS_ONLY, async_engine
from app.storage.migrate import migrate
from app.storage.url import parse_url, reason, shown


def open_database(url: str, *, pool_size: int = 5) -> "Database":
    """Does not connect. Raises ConfigError on a wrong `url`."""
    parsed = parse_url(url)
    return Database(parsed, async_engine(parsed, pool_size))


class Database:
    """An engine whose tables are brought up to date before their first use, whenever that becomes possible."""

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        self.url = url
        self.dialect = engine.dialect.name
        self._engine = engine
        self._bulk: Bulk = SqliteBulk(url) if self.dialect == "sqlite" else PostgresBulk(engine)
        self._migrating = asyncio.Lock()
        self._migrated = False

    async def prepare(self) -> None:
        """Migrates, once. Raises StorageUnavailable when it cannot be reached, ConfigError when it can never work."""
        if self._migrated:
            return
        async with self._migrating:
            if not self._migrated:
                await asyncio.to_thread(migrate, self.url)
                self._migrated = True

    async def add(self, rows: Rows) -> None:
        """In one transaction. Raises as `transaction` does."""
        await self.prepare()
        with self._errors():
            await self._bulk.add(rows)

    @asynccontextmanager
    async def transaction(self, *, reads_only: bool = False) -> AsyncIterator[AsyncConnection]:
        """Raises StorageUnavailable. An error that is due to the rows themselves comes through as it is."""
        await self.prepare()
        engine = self._engine.execution_options(**READS_ONLY) if reads_only else self._engine
        with self._errors():
            async with engine.begin() as connection:
                yield connection

    async def close(self) -> None:
        await self._bulk.close()
        await self._engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (DataError, IntegrityError):
            raise
        except (DBAPIError, PoolTimeout, OSError) as error:
            raise StorageUnavailable(f"database {shown(self.url)}: {reason(error, self.url)}") from error
