"""The memory as other parts ask it: what does it say of these queries, remember this, forget him."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from app.domain import Recollection
from app.errors import MemoryUnavailable, RouterError
from app.memory.history.config import MemoryConfig
from app.memory.history.feed import Batch
from app.memory.history.store import Asked, History
from app.memory.history.weigh import recollect

logger = logging.getLogger(__name__)
RETRY_S = 5.0


class Retriever:
    """Opens the store when it is first asked, and again from time to time as long as that fails.

    A store that cannot be opened is one that cannot answer: the methods raise MemoryUnavailable that says why.
    """

    def __init__(
        self, config: MemoryConfig, open_: Callable[[], Awaitable[History]], *, retry_s: float = RETRY_S
    ) -> None:
        self._config = config
        self._open = open_
        self._retry_s = retry_s
        self._history: History | None = None
        self._opening: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self._why = "the memory is being opened; ask again soon"

    async def recall(self, asked: Sequence[Asked]) -> list[Recollection]:
        """Does not wait for a store that is being opened: a decision goes on without it."""
        self._begin()
        found = await self._opened().recall(asked)
        return [recollect(neighbours, self._config) for neighbours in found]

    async def remember(self, batch: Batch) -> int:
        """How many memories there are then. An empty batch only asks."""
        history = await self._when_open()
        await history.add(batch.memories)
        await history.rate(batch.ratings)
        return await history.count()

    async def forget(self, tenant: str, user_id: str) -> int:
        """How many memories there were of this user."""
        return await (await self._when_open()).forget_user(tenant, user_id)

    async def close(self) -> None:
        if self._history is not None:
            await self._history.close()

    async def _when_open(self) -> History:
        self._begin()
        if self._history is None and self._opening is not None:
            await asyncio.shield(self._opening)
        return self._opened()

    def _opened(self) -> History:
        if self._history is None:
            raise MemoryUnavailable(self._why)
        return self._history

    def _begin(self) -> None:
        """In a context of its own: Serve would cancel the opening with the call of whoever came first."""
        if self._history is None and self._opening is None and monotonic() >= self._retry_at:
            self._opening = asyncio.create_task(self._try(), context=contextvars.Context())

    async def _try(self) -> None:
        try:
            self._history = await self._open()
        except RouterError as error:
            if error.message != self._why:
                logger.warning("decisions are made without the memory: %s", error.message)
            self._why = error.message
            self._retry_at = monotonic() + self._retry_s
        finally:
            self._opening = None
