"""Calls between deployments."""

import asyncio
from typing import Any


async def answer_of(response: Any) -> Any:
    """Awaits a handle's response. Serve leaves a call running that nobody awaits any more; this cancels it."""
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise
