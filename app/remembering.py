"""The memory of outcomes on the way of a request: what is fed to it, and what is known of its health."""

from array import array
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from app.domain import Decision, Skip, Stage
from app.errors import MemoryUnavailable
from app.memory.history.feed import MemoryFeed
from app.memory.history.memory import Rating
from app.memory.history.success import memory_of
from app.observability.memory_metrics import MemoryMetrics
from app.storage.judged import success_of
from app.storage.records import OutcomeRecord
from app.storage.rows import clean

FORGET = "what the database held of this user is deleted, what the memory holds is not yet: {}; ask again"


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """`state` as the last query found it that needed the memory: ok, unknown (none yet), or why it was skipped.

    The others as the store last answered; `dropped` memories and ratings were lost.
    """

    state: str
    count: int | None = None
    last_success: datetime | None = None
    last_error: str | None = None
    dropped: int = 0


class Remembering:
    """One per ingress replica. `feed` is None when ENABLE_RAG_ROUTING is false: nothing is remembered then.

    `forget` deletes what is remembered of a user of a tenant, and says how much that was; it works all the same.
    """

    def __init__(
        self, feed: MemoryFeed | None, forget: Callable[[str, str], Awaitable[int]], metrics: MemoryMetrics
    ) -> None:
        self._feed = feed
        self._forget = forget
        self._metrics = metrics
        self._dropped = 0
        self._state = "unknown"

    def decided(self, decision: Decision) -> None:
        skip = decision.skipped.get(Stage.MEMORY)
        if skip is not Skip.NOT_NEEDED:
            self._state = skip or "ok"

    def ended(self, user_id: str, decision: Decision, outcome: OutcomeRecord) -> None:
        """Each model that was called is remembered. Only of queries that were embedded: what the caches, the rules or
        the caller decided has no vector, and comes in with `python -m train.build_index`.
        """
        if self._feed is None or decision.vector is None:
            return
        memory = memory_of(user_id, outcome)
        if memory is not None:
            self._feed.add(replace(memory, vector=array("f", decision.vector).tobytes()))

    def rated(self, tenant: str, request_id: str, rating: int) -> None:
        """`request_id` is ours."""
        if self._feed is not None:
            self._feed.add(Rating(tenant, request_id, success_of(rating)))

    async def forget_user(self, tenant: str, user_id: str) -> int:
        """How many memories were deleted. Raises MemoryUnavailable."""
        try:
            return await self._forget(tenant, clean(user_id))
        except MemoryUnavailable as error:
            raise MemoryUnavailable(FORGET.format(error.message)) from error

    def status(self) -> MemoryStatus:
        if self._feed is None:
            return MemoryStatus(Skip.OFF)
        return MemoryStatus(self._state, **asdict(self._feed.status))

    def show_dropped(self) -> None:
        """As it is now; it may change while no request comes."""
        dropped = self.status().dropped
        self._metrics.dropped(dropped - self._dropped)
        self._dropped = dropped

    async def close(self) -> None:
        if self._feed is not None:
            await self._feed.close()
