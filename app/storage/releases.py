"""The record of what was published: each attempt a release, with what it was compared with and how it ended."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import ReleaseConflict
from app.storage.database import Database
from app.storage.tables import table

PUBLISHING_MINUTES = 10  # then whoever was at it is taken for dead
AGAIN = "it stays; look at it, and run the command again"


class Part(StrEnum):
    """What is published by itself."""

    WEIGHTS = "weights"
    CLASSIFIER = "classifier"


class State(StrEnum):
    """REPLACED was live once. REFUSED never reached the cluster, FAILED did not become live there."""

    PUBLISHING = "publishing"
    LIVE = "live"
    REPLACED = "replaced"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Draft:
    """`content` is the user_config of the part's deployments. `lineage` says where it comes from, as plain JSON."""

    version: str
    content: Mapping[str, Any]
    lineage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Release:
    """`sequence` counts the releases of a part from 0: what was live before the first one was published."""

    part: Part
    sequence: int
    version: str
    state: State
    content: Mapping[str, Any]
    lineage: Mapping[str, Any]
    created_at: datetime
    settled_at: datetime | None

    @property
    def was_live(self) -> bool:
        return self.state in (State.LIVE, State.REPLACED)


class Releases:
    """Every method raises StorageUnavailable when the database cannot be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def history(self, part: Part, limit: int | None = None) -> list[Release]:
        """The newest first."""
        async with self._database.transaction(reads_only=True) as connection:
            return await _history(connection, part, limit)

    async def claim(self, part: Part, draft: Draft, found: Draft, after: int | None, now: datetime) -> Release:
        """The release that `draft` becomes, in state PUBLISHING; nobody else gets one of this part until it is settled.

        `found` is what is live; it is recorded when the last live release is another one. `after` is the sequence of
        that one as the caller knows it, None for none. Raises ReleaseConflict.
        """
        async with self._alone() as connection:
            history = await _history(connection, part)
            live = newest_live(history)
            if (live.sequence if live else None) != after:
                newest = f"release {live.sequence}, version {live.version}, is live" if live else "none is live"
                raise ReleaseConflict(f"another release of {part} came first: {newest} now; {AGAIN}")
            for release in history:
                if release.state is State.PUBLISHING:
                    live = await _take_over(connection, release, found, now) or live
            sequence = history[0].sequence + 1 if history else 0
            if live is None or live.content != found.content:
                await _become_live(connection, await _add(connection, part, sequence, State.LIVE, found, now))
                sequence += 1
            return await _add(connection, part, sequence, State.PUBLISHING, draft, now)

    async def refuse(self, part: Part, draft: Draft, now: datetime) -> Release:
        """Records what was not published."""
        async with self._alone() as connection:
            history = await _history(connection, part, 1)
            sequence = history[0].sequence + 1 if history else 0
            return await _add(connection, part, sequence, State.REFUSED, draft, now)

    async def settle(self, release: Release, state: State, lineage: Mapping[str, Any], now: datetime) -> None:
        """`lineage` is added to what the release has. Raises ReleaseConflict when somebody else has taken it over."""
        async with self._alone() as connection:
            mine = and_(_this(release), table("release").c.state == State.PUBLISHING)
            values = {"state": state, "settled_at": now, "lineage": {**release.lineage, **lineage}}
            done = await connection.execute(update(table("release")).where(mine).values(values))
            if done.rowcount == 0:
                raise ReleaseConflict(f"{release.part} {release.version}: it took too long, and another took over")
            if state is State.LIVE:
                await _become_live(connection, release)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection]:
        """No other writer of this table: SQLite has one by itself."""
        async with self._database.transaction() as connection:
            if self._database.dialect == "postgresql":
                await connection.execute(text("LOCK TABLE release IN SHARE ROW EXCLUSIVE MODE"))
            yield connection


async def _history(connection: AsyncConnection, part: Part, limit: int | None = None) -> list[Release]:
    release = table("release")
    newest = select(release).where(release.c.part == part).order_by(release.c.sequence.desc()).limit(limit)
    found = (await connection.execute(newest)).mappings()
    return [Release(**{**row, "part": Part(row["part"]), "state": State(row["state"])}) for row in found]


async def _add(
    connection: AsyncConnection, part: Part, sequence: int, state: State, draft: Draft, now: datetime
) -> Release:
    settled_at = None if state is State.PUBLISHING else now
    release = Release(part, sequence, draft.version, state, draft.content, draft.lineage, now, settled_at)
    await connection.execute(insert(table("release")).values(asdict(release)))
    return release


async def _become_live(connection: AsyncConnection, release: Release) -> None:
    """Those that were live are replaced."""
    column = table("release").c
    others = and_(column.part == release.part, column.state == State.LIVE, column.sequence != release.sequence)
    await connection.execute(update(table("release")).where(others).values(state=State.REPLACED))


async def _take_over(connection: AsyncConnection, release: Release, found: Draft, now: datetime) -> Release | None:
    """Settles what a publisher left that is taken for dead; returns it when it became live all the same."""
    if now - release.created_at < timedelta(minutes=PUBLISHING_MINUTES):
        raise ReleaseConflict(
            f"{release.part} {release.version} is being published since {release.created_at:%H:%M:%S} UTC; wait "
            f"until that is done, at most {PUBLISHING_MINUTES} minutes"
        )
    state = State.LIVE if release.content == found.content else State.FAILED
    values = {"state": state, "settled_at": now}
    await connection.execute(update(table("release")).where(_this(release)).values(values))
    if state is State.FAILED:
        return None
    await _become_live(connection, release)
    return release


def newest_live(history: Sequence[Release]) -> Release | None:
    """`history` with the newest first."""
    return next((release for release in history if release.state is State.LIVE), None)


def _this(release: Release) -> ColumnElement[bool]:
    column = table("release").c
    return and_(column.part == release.part, column.sequence == release.sequence)
