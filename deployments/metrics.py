"""Metrics of all replicas: each deployment gives snapshots, one MetricsKeeper gathers, adds up and renders them."""

import asyncio
import logging as std_logging
from collections.abc import Iterable, Mapping
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.experimental import internal_kv
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.observability import logging
from app.observability.collected import Collected
from app.observability.exposition import Snapshot, render, snapshot
from app.observability.metrics import Metrics
from app.settings import read_settings

logger = std_logging.getLogger(__name__)
ANSWER_WITHIN_S = 2.0
SAVED_FORMAT = 1  # goes up when the classes in Collected change: a new release must not read the old one's


class Measured:
    """Mixin of every deployment of the application whose metrics are shown."""

    metrics: Metrics

    async def metrics_snapshot(self) -> Snapshot:
        context = serve.get_replica_context()
        return snapshot(self.metrics.registry, context.deployment, context.replica_tag)


class MetricsKeeper:
    """Deployed once (num_replicas: 1), asked by the ingress replicas: whichever gets the scrape, the totals agree.

    What it knows is in Ray's GCS too, so that a successor goes on where a killed keeper stopped.
    """

    def __init__(self, deployments: Iterable[str], answer_within_s: float = ANSWER_WITHIN_S) -> None:
        logging.configure(read_settings())
        self._application = serve.get_replica_context().app_name
        self._deployments = tuple(deployments)
        self._answer_within_s = answer_within_s
        self._handles: dict[str, DeploymentHandle[Any]] = {}
        self._key = f"llm_router:{self._application}:metrics:{SAVED_FORMAT}".encode()
        self._collected = Collected(saved=internal_kv._internal_kv_get(self._key))
        self._one_at_a_time = asyncio.Lock()

    async def scrape(self) -> bytes:
        """The metrics of the application as Prometheus text."""
        async with self._one_at_a_time:  # an older snapshot must not overtake a newer one
            self._collected.update(await gather_snapshots(self._found(), self._answer_within_s))
            saved = self._collected.saved()
            await asyncio.to_thread(internal_kv._internal_kv_put, self._key, saved)
            return render(self._collected.snapshots())

    def _found(self) -> Mapping[str, DeploymentHandle[Any]]:
        """By name: handing the ingress's handle to the keeper and the keeper's to the ingress would be a circle."""
        for name in self._deployments:
            if name not in self._handles:
                try:
                    self._handles[name] = serve.get_deployment_handle(name, self._application)
                except RayServeException as error:
                    logger.warning("no metrics from %s: %s", name, error)
        return self._handles


async def gather_snapshots(handles: Mapping[str, DeploymentHandle[Any]], timeout_s: float) -> list[Snapshot]:
    """From all replicas at once; those that are dead, broken or not in time are left out."""
    answers = await asyncio.gather(*(_answers(name, handle, timeout_s) for name, handle in handles.items()))
    return [snap for answer in answers for snap in answer]


async def _answers(name: str, handle: DeploymentHandle[Any], timeout_s: float) -> list[Snapshot]:
    """`results_async` would lose every answer of the deployment with the one that is late, so each is awaited alone."""
    try:
        async with asyncio.timeout(timeout_s):
            calls = await handle.broadcast("metrics_snapshot")._fetch_replica_results_async()
    except (RayServeException, RayError, TimeoutError) as error:
        logger.warning("no metrics from %s: %r", name, error)
        return []
    waits = (asyncio.wait_for(call.get_async(), timeout_s) for call in calls)  # type: ignore[no-untyped-call]
    answers = await asyncio.gather(*waits, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            logger.warning("no metrics from a replica of %s: %r", name, answer)
    return [answer for answer in answers if isinstance(answer, Snapshot)]
