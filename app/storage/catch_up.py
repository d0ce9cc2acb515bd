"""Spooled rows go to the database in order when it is back: those of this process, and those of processes that died."""

import asyncio
import logging
from contextlib import suppress

from app.storage.spool import Spool, SpoolFile
from app.storage.writer import Writer

logger = logging.getLogger(__name__)


class CatchUp:
    """Tries every `retry_s`, from `start` to `close`."""

    def __init__(self, writer: Writer, spool: Spool, retry_s: float) -> None:
        self._writer = writer
        self._spool = spool
        self._retry_s = retry_s
        self._adopted: list[SpoolFile] = []
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._closing.set()
        if self._task is not None:
            await self._task
        for file in self._adopted:
            file.close()

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                await self._catch_up()
            except Exception:
                logger.exception("the spool in %s cannot be replayed now", self._spool.folder)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._retry_s):
                    await self._closing.wait()

    async def _catch_up(self) -> None:
        await self._adopt()
        if self._writer.in_doubt or (self._writer.spooling and not await self._writer.commit([])):
            return
        while self._adopted and await self._replayed(self._adopted[0]):
            async with self._writer.disk:
                await asyncio.to_thread(self._adopted.pop(0).remove)
        if not self._adopted and self._writer.spooled and self._spool.own is not None:
            await self._replayed(self._spool.own)

    async def _adopt(self) -> None:
        for file in await asyncio.to_thread(self._spool.adopt):
            rows = await asyncio.to_thread(file.count)
            if rows:
                logger.warning("adopted %d spooled rows of a process that died: %s", rows, file.path)
            self._writer.spooled += rows
            self._adopted.append(file)

    async def _replayed(self, file: SpoolFile) -> bool:
        """Whether everything in `file` is in the database, and the file therefore empty."""
        while not self._closing.is_set():
            async with self._writer.disk:
                chunk = await asyncio.to_thread(file.read)
                if not chunk.rows:
                    await asyncio.to_thread(file.empty)
                    return True
            if not await self._writer.commit(chunk.records):
                return False
            if chunk.broken:
                await self._writer.set_aside(chunk.broken)
            file.position = chunk.end
            self._writer.spooled -= chunk.rows
        return False
