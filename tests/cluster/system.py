"""Two routers, each a Ray cluster of its own, on one PostgreSQL and one Redis."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from app.storage.migrate import LOCK_KEY
from tests.cluster.load import IN_TIME_S, Answer
from tests.servers.postgres import Postgres, running_postgres
from tests.servers.process import free_port, wait_until
from tests.servers.redis import RedisServer, running_redis
from tests.servers.router import ROUTER_UP_S, Cluster, cluster_config, running_router

SPOOL_MAX_MB = 5  # holds what half a minute brings, and is full soon when queries are long
DECISIONS = "SELECT tenant, request_id, cause = 'cache' FROM decision"
OUTCOMES = """SELECT tenant, request_id, cache IS NOT NULL, answer_text
              FROM outcome JOIN answer USING (tenant, request_id) WHERE error IS NULL"""
Rows = set[tuple[Any, ...]]
T = TypeVar("T")


@dataclass
class System:
    postgres: Postgres
    database: str
    redis: RedisServer
    routers: Sequence[Cluster]

    @property
    def urls(self) -> list[str]:
        return [router.url for router in self.routers]

    def storage(self) -> list[dict[str, Any]]:
        return [router.services()["storage"] for router in self.routers]

    def storage_is(self, state: str) -> bool:
        """In every router."""
        return {one["state"] for one in self.storage()} == {state}

    def wait_for_storage(self, state: str) -> None:
        wait_until(lambda: self.storage_is(state), IN_TIME_S, f"storage {state}")

    def caches(self) -> list[dict[str, Any]]:
        return [router.services()["cache"]["exact"] for router in self.routers]

    def cache_is(self, state: str) -> bool:
        return {one["state"] for one in self.caches()} == {state}

    def wait_for_cache(self, state: str) -> None:
        wait_until(lambda: self.cache_is(state), IN_TIME_S, f"cache {state}")

    def metric(self, name: str) -> float:
        """Of both routers together."""
        return sum(router.metric(name) for router in self.routers)

    def forget(self) -> None:
        """What tests before have stored."""
        self.wait_for_storage("ok")
        with self._connection() as connection:
            connection.execute("TRUNCATE decision, outcome, answer, feedback")

    def stored(self) -> tuple[Rows, Rows]:
        """Decisions and outcomes; their keys are unique."""
        with self._connection() as connection:
            decisions, outcomes = (connection.execute(query).fetchall() for query in (DECISIONS, OUTCOMES))
        return set(decisions), set(outcomes)

    def check_stored(self, answers: Sequence[Answer]) -> None:
        """A decision and an outcome for each answer, and nothing else. The last outcomes may take a moment."""
        wait_until(lambda: len(self.stored()[1]) >= len(answers), IN_TIME_S, f"{len(answers)} outcomes")
        for stored, expected in zip(self.stored(), rows_of(answers), strict=True):
            assert stored == expected, f"missing: {expected - stored}, too many: {stored - expected}"
        self.check_nothing_lost()

    def check_nothing_lost(self) -> None:
        lost = [status["dropped_rows"] + status["set_aside_rows"] for status in self.storage()]
        assert not any(lost), f"rows lost or set aside, by router: {lost}"

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self.postgres.url(self.database), autocommit=True)


def rows_of(answers: Sequence[Answer]) -> tuple[Rows, Rows]:
    """The decisions and the outcomes that these answers should have, as `stored` gives them."""
    decisions = {(answer.tenant, answer.id, answer.cached) for answer in answers}
    return decisions, {(answer.tenant, answer.id, answer.cached, answer.text) for answer in answers}


@contextmanager
def running_system(folder: Path, upstream_url: str) -> Iterator[System]:
    """The routers meet at the empty database: each holds its migration until the other is there too."""
    with running_postgres() as postgres, running_redis(folder) as redis:
        database = postgres.database()
        variables = {"DATABASE_URL": postgres.url(database), "REDIS_URL": redis.url}
        routers = [_router(folder / name, upstream_url, variables) for name in ("first", "second")]
        with at_once(routers) as starts:
            with postgres.holding(database, f"SELECT pg_advisory_xact_lock({LOCK_KEY})") as waiting:
                wait_until(lambda: waiting() == len(routers), ROUTER_UP_S, "both routers at their migration")
            yield System(postgres, database, redis, [start.result() for start in starts])


def _router(folder: Path, upstream_url: str, variables: dict[str, str]) -> AbstractContextManager[Cluster]:
    folder.mkdir()
    config = cluster_config(folder, upstream_url)
    config["applications"] = config["applications"][:1]
    args = config["applications"][0]["args"]
    args["storage"]["spool_max_mb"] = SPOOL_MAX_MB
    args["cache"]["semantic"] = False
    ports = ("RAY_SERVE_HAPROXY_METRICS_PORT", "RAY_SERVE_HAPROXY_STATS_PORT")  # both would take the usual ones
    return running_router(folder, config, **variables, **{name: str(free_port()) for name in ports})


@contextmanager
def at_once(managers: Sequence[AbstractContextManager[T]]) -> Iterator[list[Future[T]]]:
    """Enters all of them at the same time, and leaves them so."""
    with ThreadPoolExecutor(len(managers)) as pool:
        starts = [pool.submit(manager.__enter__) for manager in managers]
        try:
            yield starts
        finally:
            wait(starts)
            list(pool.map(lambda manager: manager.__exit__(None, None, None), managers))
