"""Retriever: what the memory of outcomes says of queries, and what it is to remember or forget."""

from functools import partial
from time import perf_counter

from app.domain import Recollection
from app.memory.history.chroma import ChromaHistory
from app.memory.history.feed import Batch
from app.memory.history.retriever import Retriever as Memories
from app.memory.history.store import Asked
from app.observability import logging
from app.observability.memory_metrics import MemoryMetrics
from app.observability.metrics import Metrics
from app.settings import read_settings
from deployments.args import RouterArgs
from deployments.garbage import collect_less
from deployments.metrics import Measured


class Retriever(Measured):
    """The deployment around the class of the same name in app/memory. It starts whether or not Chroma can be opened."""

    def __init__(self, args: RouterArgs) -> None:
        settings = read_settings()
        logging.configure(settings)
        collect_less()
        self.metrics = Metrics()
        self._shown = MemoryMetrics(self.metrics.registry)
        self._memories = Memories(args.memory, partial(ChromaHistory.open, args.memory, settings.chroma_url))

    async def recall(self, asked: list[Asked]) -> list[Recollection]:
        started = perf_counter()
        found = await self._memories.recall(asked)
        self._shown.recalled(len(asked), perf_counter() - started)
        return found

    async def remember(self, batch: Batch) -> int:
        count = await self._memories.remember(batch)
        self._shown.holds(count)
        return count

    async def forget(self, tenant: str, user_id: str) -> int:
        return await self._memories.forget(tenant, user_id)
