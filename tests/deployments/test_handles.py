"""Calls between deployments whose queue is full."""

from array import array
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from app.domain import Domain, Embedding
from app.errors import MemoryUnavailable, StageBusy
from app.memory.history.feed import Batch
from deployments.handles import answer_of
from deployments.retriever_handle import RetrieverHandle


async def full(*_: object) -> None:
    raise BackPressureError(num_queued_requests=64, max_queued_requests=64)


async def test_a_full_queue_is_a_busy_stage() -> None:
    with pytest.raises(StageBusy):
        await answer_of(full())


async def test_the_memory_is_skipped_when_busy_and_fed_later() -> None:
    method = SimpleNamespace(remote=full)
    handle = cast("DeploymentHandle[Any]", SimpleNamespace(recall=method, remember=method, forget=method))
    retriever = RetrieverHandle(handle)
    query, embedding = cast("Any", SimpleNamespace(tenant="t")), Embedding(array("f", [1.0]), {Domain.GENERAL: 0.0})
    with pytest.raises(StageBusy):
        await retriever.recall([query], [embedding])
    with pytest.raises(StageBusy):
        await retriever.remember(Batch((), ()))
    with pytest.raises(MemoryUnavailable, match="queue of the Retriever is full"):
        await retriever.forget("t", "u")
