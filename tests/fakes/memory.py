"""The memory of outcomes in the router's own process."""

from array import array

from app.domain import Embedding, Query, Recollection
from app.memory.history.feed import MemoryFeed
from app.memory.history.retriever import Retriever
from app.observability.memory_metrics import MemoryMetrics
from app.observability.metrics import Metrics
from app.remembering import Remembering


class LocalMemory:
    """The Memory protocol without a hop."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def recall(self, queries: list[Query], embeddings: list[Embedding]) -> list[Recollection]:
        pairs = zip(queries, embeddings, strict=True)
        return await self._retriever.recall([(query.tenant, array("f", one.vector).tobytes()) for query, one in pairs])


async def _nothing(_tenant: str, _user_id: str) -> int:
    return 0


def make_remembering(retriever: Retriever | None, metrics: Metrics) -> Remembering:
    """Feeds the retriever at once; without one, off."""
    shown = MemoryMetrics(metrics.registry)
    if retriever is None:
        return Remembering(None, _nothing, shown)
    feed = MemoryFeed(retriever.remember, every_s=0.01)
    feed.start()
    return Remembering(feed, retriever.forget, shown)
