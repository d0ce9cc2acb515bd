"""Where memories come from when the memory is rebuilt: files of outcomes, and the router's own database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any, Protocol

from app.digest import sha256
from app.memory.history.memory import Memory, PastOutcome
from app.memory.history.success import memory_of
from app.storage.database import Database
from app.storage.ended import Position, count_ended, read_ended
from app.storage.url import shown
from train.files import read_rows
from train.rows import Faults, Row

PAGE = 128


@dataclass(frozen=True, slots=True)
class Page:
    """Some queries and the memories of them, which still lack their vectors.

    `read` counts the queries that were looked at; `position` is where the next page begins, as JSON knows it.
    """

    position: Any
    read: int
    queries: tuple[tuple[str, Memory], ...]


class Source(Protocol):
    """`name` is another one when the content is. `faults` tell what gave no memory, complete after the last page."""

    name: str
    faults: Faults

    async def count(self, position: Any) -> int:
        """Queries from there on; None is the beginning."""

    def pages(self, position: Any) -> AsyncIterator[Page]: ...


class OutcomeFile:
    """Each model's score on a query is an outcome, as certain as a rating. Its time is that of the rebuilding."""

    def __init__(self, path: Path, tenant: str) -> None:
        """Reads the file. Raises DataError when it cannot be read or has no usable row."""
        rows, self.faults = read_rows(path)
        self._rows = [row for row in rows if row.outcomes]
        if others := len(rows) - len(self._rows):
            self.faults.add("no outcomes", str(path), others)
        self._tenant = tenant
        self.name = f"{path.name} {sha256(path)} {tenant}"

    async def count(self, position: Any) -> int:
        return len(self._rows) - (position or 0)

    async def pages(self, position: Any) -> AsyncIterator[Page]:
        for start in range(position or 0, len(self._rows), PAGE):
            rows = self._rows[start : start + PAGE]
            yield Page(start + len(rows), len(rows), tuple((row.query, self._memory(row)) for row in rows))

    def _memory(self, row: Row) -> Memory:
        outcomes = tuple(
            PastOutcome(model, one.score, cost_usd=one.cost_usd, output_tokens=one.out_tokens)
            for model, one in row.outcomes.items()
        )
        return Memory(f"{row.source}:{row.id}", self._tenant, "", time(), outcomes)


class Requests:
    """Finished requests of all tenants whose text was kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.faults = Faults()
        self.name = shown(database.url)

    async def count(self, position: Any) -> int:
        return await count_ended(self._database, _position(position))

    async def pages(self, position: Any) -> AsyncIterator[Page]:
        while found := await read_ended(self._database, _position(position), PAGE):
            queries = []
            for ended in found:
                memory = memory_of(ended.user_id, ended.outcome, ended.rating)
                if ended.text is None:
                    self.faults.add("stored without text", self.name)
                elif memory is None:
                    self.faults.add("answered by a cache, or failed through no model's fault", self.name)
                else:
                    queries.append((ended.text, memory))
            at, *key = found[-1].position
            position = [at.isoformat(), *key]
            yield Page(position, len(found), tuple(queries))


def _position(given: Any) -> Position | None:
    if given is None:
        return None
    at, tenant, request_id = given
    return datetime.fromisoformat(at), tenant, request_id
