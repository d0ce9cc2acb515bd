"""What a gateway adds to the first chunk of a stream, and how many chunks a second it passes on."""

import asyncio
from collections.abc import Mapping
from statistics import median
from time import perf_counter
from typing import Any

import aiohttp

ROUNDS, WARM = 60, 5


def first_chunk_ms(targets: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, str]]]) -> dict[str, float]:
    """p50 by name of (url, body, headers). In turns, so that all see the same machine."""
    return asyncio.run(_first_chunks(targets))


async def _first_chunks(targets: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, str]]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in targets}
    async with aiohttp.ClientSession() as session:
        for round_ in range(ROUNDS + WARM):
            for name, (url, body, headers) in targets.items():
                ms = await _first_chunk(session, url, body, headers)
                if round_ >= WARM:
                    times[name].append(ms)
    return {name: median(measured) for name, measured in times.items()}


async def _first_chunk(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> float:
    """To the first piece with text, on a stream that is read to its end."""
    started, first = perf_counter(), None
    async with session.post(url, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        async for piece in response.content.iter_any():
            if first is None and b'"content":"word' in piece.replace(b": ", b":"):
                first = (perf_counter() - started) * 1000
    assert first is not None, f"no chunk with text from {url}"
    return first
