"""More requests than there is capacity for, sent at their time whether or not the earlier ones have come back."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

import aiohttp
import orjson

ANSWER_WITHIN_S = 60.0


@dataclass
class Burst:
    """What came of it: how often each status came, and for 429 what else was in the answer."""

    statuses: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[str | None, bytes]] = field(default_factory=list)  # Retry-After, body
    slowest_s: float = 0.0
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        return self.statuses.total()


async def closed(url: str, connections: int, seconds: float) -> Burst:
    """Each connection sends its next request once the last one was answered: the answers a second are the capacity."""
    burst, numbers = Burst(seconds=seconds), count()
    async with _session(connections) as session:

        async def client() -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                await _ask(session, url, next(numbers), burst)

        await asyncio.gather(*(client() for _ in range(connections)))
    return burst


async def open_(url: str, a_second: float, seconds: float) -> Burst:
    burst, asked = Burst(seconds=seconds), list[asyncio.Task[None]]()
    began = time.monotonic()
    async with _session(0) as session:
        for number in range(int(a_second * seconds)):
            await asyncio.sleep(began + number / a_second - time.monotonic())
            asked.append(asyncio.create_task(_ask(session, url, number, burst)))
        await asyncio.gather(*asked)
    return burst


def _session(connections: int) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections), timeout=timeout)


async def _ask(session: aiohttp.ClientSession, url: str, number: int, burst: Burst) -> None:
    body = orjson.dumps({"query": f"Burst line {number}", "user_id": "u", "model": "second", "cache": False})
    began = time.monotonic()
    try:
        headers = {"content-type": "application/json"}
        async with session.post(f"{url}/api/v1/chat", data=body, headers=headers) as response:
            content = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        burst.statuses[type(error).__name__] += 1
        return
    burst.statuses[str(response.status)] += 1
    burst.slowest_s = max(burst.slowest_s, time.monotonic() - began)
    if response.status == 429:
        burst.refusals.append((response.headers.get("retry-after"), content))
