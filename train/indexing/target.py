"""Where the memories go: Chroma itself, or the Retriever of a router that serves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from app.errors import ConfigError, MemoryUnavailable, RouterError
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.feed import Batch
from app.memory.history.memory import Memory
from app.yaml_file import load_yaml, validate
from train.cluster import cluster
from train.errors import DataError

APPLICATION, DEPLOYMENT = "router", "Retriever"
ANSWER_WITHIN_S = 120.0
Add = Callable[[Sequence[Memory]], Awaitable[int]]  # returns how many memories there are then


def read_memory_config(path: Path) -> MemoryConfig:
    """As the router reads it from serve_config.yaml. Raises ConfigError."""
    content = load_yaml(path)
    applications = content.get("applications") if isinstance(content, dict) else None
    for application in applications or ():
        if application.get("name") == APPLICATION:
            given = (application.get("args") or {}).get("memory") or {}
            return validate(given, MemoryConfig, f"{path}: applications[{APPLICATION}].args.memory")
    raise DataError(f"{path}: has no application {APPLICATION}; give the serve_config.yaml that the router runs with")


@asynccontextmanager
async def opened(config: MemoryConfig, url: str | None, *, fresh: bool) -> AsyncIterator[Add]:
    """Raises ConfigError, and MemoryUnavailable when a server does not answer."""
    try:
        history = await ChromaHistory.open(config, url, fresh=fresh)
    except ConfigError as error:
        raise ConfigError(f"{error.message}. `--live` fills the memory of a router that serves") from error

    async def add(memories: Sequence[Memory]) -> int:
        await history.add(memories)
        return await history.count()

    try:
        yield add
    finally:
        await history.close()


@asynccontextmanager
async def live() -> AsyncIterator[Add]:
    """Raises ConfigError when no router serves here, MemoryUnavailable when its Retriever fails."""
    with cluster(0.0):
        from ray import serve
        from ray.exceptions import RayTaskError
        from ray.serve.exceptions import RayServeException

        try:
            handle = serve.get_deployment_handle(DEPLOYMENT, APPLICATION)
        except RayServeException as error:
            raise ConfigError(
                "no router serves on this Ray cluster; start it (`make serve`), name its cluster by RAY_ADDRESS, or "
                "leave --live out"
            ) from error

        def remember(memories: Sequence[Memory]) -> int:
            try:
                count: int = handle.remember.remote(Batch(memories)).result(timeout_s=ANSWER_WITHIN_S)
            except RayTaskError as error:
                cause = error.cause
                raise MemoryUnavailable(cause.message if isinstance(cause, RouterError) else str(cause)) from error
            except (RayServeException, TimeoutError) as error:
                raise MemoryUnavailable(f"the Retriever of the router does not answer ({error})") from error
            return count

        async def add(memories: Sequence[Memory]) -> int:
            return await asyncio.to_thread(remember, memories)

        yield add
