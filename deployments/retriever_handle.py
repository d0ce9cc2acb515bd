"""The memory of outcomes, as the other deployments ask it."""

import asyncio
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.domain import Embedding, Query, Recollection
from app.errors import MemoryUnavailable, RouterError, StageBusy
from app.memory.history.feed import Batch
from deployments.handles import answer_of

FORGET_WITHIN_S = 30.0


class RetrieverHandle:
    """The Memory protocol and its feeding over the handle of the deployment Retriever.

    Every method raises MemoryUnavailable, with the reason when the Retriever could give one, or StageBusy
    (never `forget`).
    """

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def recall(self, queries: list[Query], embeddings: list[Embedding]) -> list[Recollection]:
        """Only tenants and vectors travel."""
        pairs = zip(queries, embeddings, strict=True)
        asked = [(query.tenant, array("f", embedding.vector).tobytes()) for query, embedding in pairs]
        async with _reasons():
            found: list[Recollection] = await answer_of(self._handle.recall.remote(asked))
        return found

    async def remember(self, batch: Batch) -> int:
        """How many memories there are."""
        async with _reasons():
            count: int = await answer_of(self._handle.remember.remote(batch))
        return count

    async def forget(self, tenant: str, user_id: str) -> int:
        """How many memories there were of this user."""
        try:
            async with _reasons(), asyncio.timeout(FORGET_WITHIN_S):
                count: int = await answer_of(self._handle.forget.remote(tenant, user_id))
        except StageBusy as error:
            raise MemoryUnavailable("the queue of the Retriever is full") from error
        return count


@asynccontextmanager
async def _reasons() -> AsyncIterator[None]:
    """Ray wraps what a replica raises, its stack included, into an error of its own."""
    try:
        yield
    except RayTaskError as error:
        cause = error.cause
        reason = cause.message if isinstance(cause, RouterError) else f"{type(cause).__name__}: {cause}"
        raise MemoryUnavailable(reason) from error
    except (RayError, RayServeException) as error:
        raise MemoryUnavailable("no Retriever answers") from error
    except TimeoutError as error:
        raise MemoryUnavailable("the Retriever does not answer in time") from error
