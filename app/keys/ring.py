"""The keys that this process knows: asking the database for each request would cost more than most answers."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hmac import compare_digest
from time import monotonic
from typing import Any

from app.errors import RouterError, StorageUnavailable, Unauthorized
from app.keys.key import TOKEN, ApiKey, digest
from app.storage.api_keys import KeyStore

logger = logging.getLogger(__name__)
FRESH_S = 30.0  # a revoked key is refused after that
GRACE_S = 300.0  # known keys go on for so long without a database
LOOK_AGAIN_S = 5.0  # after a lookup that failed
LOOKUP_S = 1.0  # as long as a request waits for one
MAX_KEYS = 10_000  # the ones used last; the same for ids that are no key's
MAX_LOOKUPS = 32  # that wait at once: guessed ids must not pile up
AT_ONCE = 2  # in the database, which has its other work
WRONG = "this API key is not known here; check that it is whole, and of this router (python -m app.keys list)"


@dataclass(slots=True)
class _Known:
    """`key` is None when there is none of that id. Times are monotonic."""

    key: ApiKey | None
    seen_at: float
    look_at: float


class KeyRing:
    """Finds the key of a token. `monotonic` and `utcnow` are clocks."""

    def __init__(
        self,
        store: KeyStore,
        *,
        monotonic: Callable[[], float] = monotonic,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._utcnow = utcnow
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._absent: OrderedDict[str, _Known] = OrderedDict()  # apart, so that guesses push no key out
        self._lookups: dict[str, asyncio.Task[None]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, token: str) -> ApiKey:
        """Raises Unauthorized; StorageUnavailable when nobody can say."""
        match = TOKEN.fullmatch(token)
        if match is None:
            raise Unauthorized(WRONG)
        known = self._get(match[1])
        if known is None or self._monotonic() >= known.look_at:
            await self._look(match[1])
            known = self._get(match[1])
        if known is None:
            raise StorageUnavailable("the database that holds the API keys does not answer; try again")
        key = known.key
        if key is None or not compare_digest(key.digest, digest(token)):
            raise Unauthorized(WRONG)
        now = self._utcnow()
        if ended := key.ended(now):
            raise Unauthorized(f"the API key {key.id} {ended}; ask the operator for a new one")
        if key.last_used_on is None or key.last_used_on < now.date():
            known.key = key = replace(key, last_used_on=now.date())
            self._start(self._note(key), self._notes)
        return key

    async def close(self) -> None:
        tasks = [*self._lookups.values(), *self._notes]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _get(self, id_: str) -> _Known | None:
        for shelf in (self._known, self._absent):
            if (known := shelf.get(id_)) is not None:
                shelf.move_to_end(id_)
                return known
        return None

    async def _look(self, id_: str) -> None:
        """Asks once, however many requests wait for it. A lookup that takes too long goes on without them."""
        task = self._lookups.get(id_)
        if task is None and len(self._lookups) < MAX_LOOKUPS:
            task = self._lookups[id_] = asyncio.create_task(self._lookup(id_))
            task.add_done_callback(lambda _: self._lookups.pop(id_, None))
        if task is None or not (await asyncio.wait({task}, timeout=LOOKUP_S))[0]:
            self._unanswered(id_)

    async def _lookup(self, id_: str) -> None:
        try:
            async with self._at_once:
                key = await self._store.find(id_)
        except Exception as error:  # whatever it is, nobody becomes known by it, or stays so for long
            if not isinstance(error, RouterError):
                logger.error("an API key could not be looked up: %s", type(error).__name__)
            self._unanswered(id_)
            return
        now = self._monotonic()
        shelf, other = (self._known, self._absent) if key else (self._absent, self._known)
        other.pop(id_, None)
        shelf[id_] = _Known(key, now, now + FRESH_S)
        if len(shelf) > MAX_KEYS:
            shelf.popitem(last=False)

    def _unanswered(self, id_: str) -> None:
        """What is known holds for a while longer."""
        known, now = self._get(id_), self._monotonic()
        if known is None:
            return
        if now - known.seen_at < GRACE_S:
            known.look_at = now + LOOK_AGAIN_S
        else:
            self._known.pop(id_, None)
            self._absent.pop(id_, None)

    async def _note(self, key: ApiKey) -> None:
        """A day that is not noted now is noted after the next lookup."""
        if key.last_used_on is not None:
            with suppress(RouterError):
                await self._store.used(key.id, key.last_used_on)

    def _start(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
