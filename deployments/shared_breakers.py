"""The breakers of all ingress replicas, kept alike by Redis, or by Ray's GCS where there is none."""

from ray import serve

from app.memory.cache.redis_store import open_redis
from app.models.breaker import Breakers
from app.models.breaker_sync import BreakerSync
from app.models.catalogue import Catalogue
from app.models.redis_board import RedisBoard
from deployments.gcs_board import GcsBoard

REDIS_TIMEOUT_S = 0.5
CONNECTIONS = 2


class SharedBreakers:
    """Shares `breakers` from its making until `close`. Needs a running loop."""

    def __init__(self, breakers: Breakers, catalogue: Catalogue, redis_url: str | None) -> None:
        self._redis = redis_url and open_redis(redis_url, timeout_s=REDIS_TIMEOUT_S, connections=CONNECTIONS)
        board = RedisBoard(self._redis) if self._redis else GcsBoard(serve.get_replica_context().app_name)
        self._sync = BreakerSync(breakers, board, catalogue)
        self._sync.start()

    async def close(self) -> None:
        await self._sync.close()
        if self._redis:
            await self._redis.aclose()
