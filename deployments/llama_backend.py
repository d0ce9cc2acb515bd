"""The LocalBackend over the handle of the `llama` application."""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from time import monotonic
from typing import Any, cast

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator
from ray.serve.schema import ApplicationStatus

from app.errors import ModelBusy, UpstreamUnreachable

logger = logging.getLogger(__name__)
NOT_DEPLOYED, LOADING, FAILED, UNKNOWN = "not_deployed", "loading", "failed", "unknown"
ANSWERING = ("RUNNING", "UPDATING")  # a replica answers while it takes a new configuration
LOOK_AGAIN_S, LOOK_AGAIN_WHEN_READY_S = 1.0, 5.0


class LlamaBackend:
    """Watches for the application from `start` on: it may come late, be redeployed, or not exist at all."""

    def __init__(self, application: str | None) -> None:
        self._application = application
        self._handle: DeploymentHandle[Any] | None = None
        self._reason: str | None = NOT_DEPLOYED
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._looked = monotonic()
        self._in_flight: Counter[str] = Counter()

    def start(self) -> None:
        """Needs a running loop."""
        if self._application and self._watch is None:
            self._watch = asyncio.create_task(self._look())

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def unavailable(self) -> str | None:
        return self._reason

    def in_flight(self, model: str) -> int:
        return self._in_flight[model]

    async def chat(self, model: str, body: bytes) -> AsyncGenerator[bytes, None]:
        handle = self._handle
        if handle is None or self._reason is not None:
            raise UpstreamUnreachable(f"the application {self._application} is {self._reason}; try another model")
        # In a context of its own: others may share the call, and Serve would cancel it with the request that began it.
        call = contextvars.Context().run(handle.options(stream=True).chat_json.remote, body)
        response = cast("DeploymentResponseGenerator[bytes]", call)
        self._in_flight[model] += 1
        try:
            await self._assigned(response)
            async for item in response:
                yield item
        except BackPressureError as error:
            raise ModelBusy("the local replicas are at their limit", retry_after_s=1.0) from error
        except (RayError, RayServeException) as error:
            self._reason = UNKNOWN
            self._wake.set()
            raise UpstreamUnreachable(f"the local replica failed ({type(error).__name__})") from error
        finally:
            self._in_flight[model] -= 1
            response.cancel()  # type: ignore[no-untyped-call]

    async def _assigned(self, response: DeploymentResponseGenerator[bytes]) -> None:
        """Until a replica has the call: where the last one died, Serve lets calls wait for the next one, a minute long.

        Raises UpstreamUnreachable once it is known that there is none.
        """
        replica = asyncio.ensure_future(response._fetch_future_result_async())
        try:
            while not (await asyncio.wait({replica}, timeout=LOOK_AGAIN_S))[0]:
                if self._reason is not None:
                    raise UpstreamUnreachable(f"the application {self._application} is {self._reason}")
                if monotonic() - self._looked > LOOK_AGAIN_S:
                    self._wake.set()
            replica.result()
        finally:
            replica.cancel()

    async def _look(self) -> None:
        """Status comes from the controller; asked in a thread, as the call blocks."""
        while True:
            reason = await asyncio.to_thread(self._state)
            self._looked = monotonic()
            if reason != self._reason:
                logger.info("application %s: %s", self._application, reason or "ready")
            self._reason = reason
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_AGAIN_S if reason else LOOK_AGAIN_WHEN_READY_S)

    def _state(self) -> str | None:
        application = self._application or ""
        try:
            status = serve.status().applications.get(application)
            if status is None or status.status is ApplicationStatus.DELETING:
                self._handle = None
                return NOT_DEPLOYED
            if not any(state in ANSWERING for one in status.deployments.values() for state in one.replica_states):
                return FAILED if status.status is ApplicationStatus.DEPLOY_FAILED else LOADING
            self._handle = self._handle or serve.get_app_handle(application)
            return None
        except Exception as error:  # whatever it is, the watch has to go on
            logger.warning("the state of the application %s is unknown: %r", application, error)
            return UNKNOWN
