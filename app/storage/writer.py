"""Where records go: to the database in time, else to the spool, else, when that is full, nowhere, and it is counted."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from app.errors import RouterError
from app.storage.records import DecisionRecord, OutcomeRecord
from app.storage.spool import Record, Spool, SpoolFull, encode

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """`spooled_rows` wait for the database; `dropped_rows` found no place; `set_aside_rows` are in `*.bad` files.

    The counts of dropped rows and rows set aside are since the start of this process.
    """

    state: Literal["ok", "spooling", "full"]
    spooled_rows: int
    dropped_rows: int
    set_aside_rows: int
    last_success: datetime | None
    last_error: str | None


class RecordStore(Protocol):
    """What a recorder needs of a repository: one transaction, harmless when it is repeated."""

    async def write(self, decisions: Sequence[DecisionRecord], outcomes: Sequence[OutcomeRecord]) -> None: ...


class Writer:
    """Everything that counts is counted here. `spooling` holds while the database is thought to be down."""

    def __init__(self, store: RecordStore, spool: Spool, commit_timeout_s: float) -> None:
        self._store = store
        self._spool = spool
        self._commit_timeout_s = commit_timeout_s
        self._in_doubt: set[asyncio.Task[None]] = set()
        self._error: str | None = None
        self._full: str | None = None  # why rows are being lost
        self._dropped = self._set_aside = 0
        self._last_success: datetime | None = None
        self.disk = asyncio.Lock()
        self.spooling = False
        self.spooled = 0

    def status(self) -> RecorderStatus:
        state: Literal["ok", "spooling", "full"] = "spooling" if self.spooling or self.spooled else "ok"
        return RecorderStatus(
            state="full" if self._full else state,
            spooled_rows=self.spooled,
            dropped_rows=self._dropped,
            set_aside_rows=self._set_aside,
            last_success=self._last_success,
            last_error=self._full or self._error,
        )

    @property
    def in_doubt(self) -> bool:
        """A commit that took too long is still running: the next one would hang as well."""
        return bool(self._in_doubt)

    async def keep(self, records: Sequence[Record]) -> None:
        """Returns when they are on a disk, or lost and counted."""
        if not records or (not self.spooling and await self.commit(records)):
            return
        try:
            async with self.disk:
                await asyncio.to_thread(self._spool.append, records)
        except SpoolFull as error:
            if not self._full:
                logger.error("spool full: %s; rows are lost until there is room or the database is back", error)
            self._full = f"spool full: {error}; rows are lost until the database is back"
            self._dropped += len(records)
        except Exception:
            logger.exception("%d rows are lost: they can neither be stored nor spooled", len(records))
            self._dropped += len(records)
        else:
            self._full = None
            self.spooled += len(records)

    async def commit(self, records: Sequence[Record]) -> bool:
        """False when the database did not take them in time. They may still arrive, which does no harm."""
        task = asyncio.create_task(self._write(records))
        done, _ = await asyncio.wait({task}, timeout=self._commit_timeout_s)
        if not done:
            self._in_doubt.add(task)
            task.add_done_callback(self._settled)
            self._failed(f"no commit within {self._commit_timeout_s:g} s")
            return False
        if (error := task.exception()) is not None:
            self._failed(error.message if isinstance(error, RouterError) else repr(error))
            return False
        self._succeeded()
        return True

    async def close(self) -> None:
        """Leaves commits in doubt behind: their rows are in the spool."""
        if self._in_doubt:
            for task in self._in_doubt:
                task.cancel()
            await asyncio.wait(self._in_doubt, timeout=self._commit_timeout_s)
        self._spool.close()

    async def _write(self, records: Sequence[Record]) -> None:
        """Any error but the database's own is a row's fault: that row is set aside, the others go their way."""
        decisions = [record for record in records if isinstance(record, DecisionRecord)]
        outcomes = [record for record in records if isinstance(record, OutcomeRecord)]
        try:
            await self._store.write(decisions, outcomes)
        except RouterError:
            raise
        except Exception as refusal:
            if len(records) > 1:
                middle = len(records) // 2
                await self._write(records[:middle])
                await self._write(records[middle:])
            else:
                kind = type(getattr(refusal, "orig", refusal)).__name__  # its message may quote the query
                logger.error("the database refuses a row (%s), it is set aside in %s", kind, self._spool.folder)
                await self.set_aside([encode(record) for record in records])

    async def set_aside(self, lines: Sequence[bytes]) -> None:
        """Keeps lines that will never be rows for a person to look at."""
        async with self.disk:
            await asyncio.to_thread(self._spool.set_aside, lines)
        self._set_aside += len(lines)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._in_doubt.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not report it: the rows are in the spool

    def _failed(self, error: str) -> None:
        if not self.spooling:
            logger.warning("the database does not take rows, spooling to %s: %s", self._spool.folder, error)
        self.spooling, self._error = True, error

    def _succeeded(self) -> None:
        if self.spooling:
            logger.warning("the database takes rows again")
        self.spooling = False
        self._error = self._full = None
        self._last_success = datetime.now(UTC)
