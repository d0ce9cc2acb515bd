"""The state of breakers between replicas: posted on a board and read off it in the background. No request waits for it.

The latest note of a breaker counts. A replica that knows a later one than the board posts it again, so that a board
that lost everything, or was away, costs nothing; while it is away each replica goes by what it sees itself.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from time import time
from typing import Protocol
from uuid import uuid4

import orjson

from app.memory.cache.redis_store import digest
from app.models.breaker import Breakers, Note
from app.models.catalogue import Catalogue

logger = logging.getLogger(__name__)
EVERY_S = 0.5
TIMEOUT_S = 1.0
LEASE_S = 5.0


class Board(Protocol):
    """Shared by all replicas. Any method may raise anything, or hang."""

    async def read(self) -> Mapping[str, bytes]:
        """All notes by the breaker's name."""
        ...

    async def post(self, notes: Mapping[str, bytes]) -> None: ...

    async def lease(self, name: str, owner: str, for_s: float) -> bool:
        """Whether the probe is `owner`'s for so long from now on: nobody else's it is, or his already."""
        ...

    async def release(self, name: str, owner: str) -> None: ...


class BreakerSync:
    """One per ingress replica."""

    def __init__(self, breakers: Breakers, board: Board, catalogue: Catalogue, every_s: float = EVERY_S) -> None:
        self._breakers = breakers
        self._board = board
        self._names = {id_: _name(catalogue, id_) for id_ in breakers.notes()}
        self._every_s = every_s
        self._owner = uuid4().hex
        self._held: set[str] = set()
        self._down = self._closing = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Needs a running loop."""
        self._breakers.leased = True
        self._breakers.changed = lambda _model, _note: self._wake.set()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._closing = True  # a cancellation alone may get lost, as was seen now and then in a call to Redis
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self._exchange()
                    await self._release()
                    await self._lease()
                self._said(None)
            except Exception as error:  # whatever it is: a board that is away must not stop anything
                self._said(error)
                for model in self._breakers.wanted():
                    self._breakers.lease(model, time() + LEASE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._wake.wait()

    async def _exchange(self) -> None:
        found, mine = await self._board.read(), {}
        for model, name in self._names.items():
            theirs = _decoded(found.get(name))
            self._breakers.adopt(model, theirs)
            note = self._breakers.notes()[model]
            if note.at > theirs.at:
                mine[name] = orjson.dumps(note)
        if mine:
            await self._board.post(mine)

    async def _release(self) -> None:
        for model in self._held.difference(self._breakers.half_open()):
            self._held.discard(model)
            await self._board.release(self._names[model], self._owner)

    async def _lease(self) -> None:
        """One that is new was perhaps let go by a replica whose probe has ended: its note comes before ours."""
        wanted = self._breakers.wanted()
        for model in wanted:
            until = time() + LEASE_S
            if not await self._board.lease(self._names[model], self._owner, LEASE_S):
                continue
            if model not in self._held:
                self._held.add(model)
                await self._exchange()
            if model in self._breakers.half_open():
                self._breakers.lease(model, until)

    def _said(self, error: Exception | None) -> None:
        if error is not None and not self._down:
            logger.warning("the breakers of the replicas are on their own for now: %r", error)
        elif error is None and self._down:
            logger.warning("the breakers of the replicas are shared again")
        self._down = error is not None


def _name(catalogue: Catalogue, model: str) -> str:
    """Of the model at its endpoint: another router may call another one by the same id."""
    spec = catalogue.models[model]
    return digest("|".join((model, spec.provider, str(spec.base_url), spec.upstream_name, str(spec.key_name))))


def _decoded(note: bytes | None) -> Note:
    """Closed for all times where there is none, or one of another release."""
    try:
        return Note(**orjson.loads(note)) if note else Note(0.0)
    except (ValueError, TypeError):
        return Note(0.0)
