"""Group commit: what gathers while one transaction runs goes into the next."""

import asyncio
from dataclasses import dataclass, field

from app.storage.catch_up import CatchUp
from app.storage.records import DecisionRecord, OutcomeRecord
from app.storage.spool import Record, Spool
from app.storage.writer import RecorderStatus, RecordStore, Writer

OUTCOME_WAIT_S = 0.02  # nobody waits for an outcome: it may go with the next decision
REST_A_WAITER_S, REST_MAX_S = 0.0005, 0.01  # between commits under load: fewer and larger ones cost less


@dataclass(slots=True)
class _Gathered:
    records: list[Record] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


class Recorder:
    """One a process. `start` and `close` belong to the event loop that records."""

    def __init__(
        self, store: RecordStore, spool: Spool, *, commit_timeout_s: float = 1.0, retry_s: float = 1.0
    ) -> None:
        self._writer = Writer(store, spool, commit_timeout_s)
        self._catch_up = CatchUp(self._writer, spool, retry_s)
        self._gathered = _Gathered()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Does not wait for the database: what a dead process left, and a database that is down, come later."""
        self._task = asyncio.create_task(self._run())
        self._catch_up.start()

    def decided(self, record: DecisionRecord) -> asyncio.Future[None]:
        """Done when the decision is on a disk, the database's or the spool's, or is lost: see `status`."""
        durable = asyncio.get_running_loop().create_future()
        self._gathered.records.append(record)
        self._gathered.waiting.append(durable)
        self._wake.set()
        return durable

    def finished(self, record: OutcomeRecord) -> None:
        self._gathered.records.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(OUTCOME_WAIT_S, self._wake.set)

    def status(self) -> RecorderStatus:
        return self._writer.status()

    async def close(self) -> None:
        """Everything gathered is in the database, or in the spool, when this returns."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._catch_up.close()
        await self._writer.close()

    async def _run(self) -> None:
        while not self._closing or self._gathered.records:
            await self._wake.wait()
            self._wake.clear()
            gathered = self._take()
            await self._writer.keep(gathered.records)
            for durable in gathered.waiting:
                if not durable.done():
                    durable.set_result(None)
            if len(gathered.waiting) > 1 and not self._closing:
                await asyncio.sleep(min(REST_A_WAITER_S * len(gathered.waiting), REST_MAX_S))

    def _take(self) -> _Gathered:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, _Gathered()
        return gathered
