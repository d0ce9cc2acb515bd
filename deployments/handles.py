"""Calls between deployments."""

import asyncio
from typing import Any

from ray.serve.exceptions import BackPressureError

from app.errors import StageBusy


async def answer_of(response: Any) -> Any:
    """Awaits a handle's response. Serve leaves a call running that nobody awaits any more; this cancels it.

    Raises StageBusy when the deployment's queue is full.
    """
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise
    except BackPressureError as error:
        raise StageBusy("the queue of a deployment is full; see max_queued_requests in serve_config.yaml") from error
