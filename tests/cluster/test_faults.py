"""Redis and PostgreSQL fail under two routers that answer all the while, and every answer is stored once."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.cluster.load import CLIENTS, IN_TIME_S, Load, load
from tests.cluster.report import SECONDS, record, time_until
from tests.cluster.system import System, rows_of, running_system
from tests.fakes.echo import echoing
from tests.fakes.upstream import FakeUpstream
from tests.servers.process import wait_until

pytestmark = pytest.mark.cluster

DOWN_S = 30.0 if SECONDS else 10.0  # 30 by `make faults`
LONG = " and so on" * 2000  # 20 kB in each query, and in each answer
LOCK = "LOCK TABLE decision IN EXCLUSIVE MODE"  # holds up whoever writes
SPOOL_ROWS, REFUSED_ROWS = "llm_router_spool_rows", "llm_router_spool_refused_rows_total"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[System]:
    with echoing(upstream), running_system(tmp_path_factory.mktemp("system"), upstream.url) as system:
        yield system


@pytest.fixture
def system(running: System) -> System:
    running.forget()
    return running


def check_all(system: System, loaded: Load) -> None:
    """No request failed, no answer is wrong, and each is stored once."""
    assert loaded.failures == []
    loaded.check()
    system.check_stored(loaded.answers)


def test_two_routers_that_started_at_once_share_database_and_cache(system: System) -> None:
    with load(system.urls) as loaded:
        loaded.wait_for(200, "of both routers")
    check_all(system, loaded)
    assert all(cache["hits"] > 0 for cache in system.caches())


def test_redis_is_killed_and_comes_back(system: System) -> None:
    errors = system.metric("llm_router_cache_errors_total")
    with load(system.urls) as loaded:
        loaded.wait_for_hits(20, "before")
        system.redis.stop(signal.SIGKILL)
        try:
            system.wait_for_cache("down")
            without = loaded.wait_for(150, "without Redis")
            skipped = [cache["skipped"] for cache in system.caches()]
        finally:
            system.redis.start()
        recovered_s = time_until(lambda: system.cache_is("ok"), "the cache")
        loaded.wait_for_hits(50, "from the new Redis")
        assert system.metric("llm_router_cache_errors_total") > errors
    record("Redis killed and started again", loaded, recovered_s)
    assert not any(answer.cached for answer in without)
    assert all(count > 0 for count in skipped)
    check_all(system, loaded)


def test_postgresql_is_down_for_a_while(system: System) -> None:
    with load(system.urls) as loaded:
        loaded.wait_for(50, "before")
        system.postgres.stop()
        try:
            system.wait_for_storage("spooling")
            time.sleep(DOWN_S)
            spooled = [status["spooled_rows"] for status in system.storage()]
            assert all(spooled)
            wait_until(lambda: system.metric(SPOOL_ROWS) >= sum(spooled), IN_TIME_S, "metrics with the spooled rows")
            loaded.wait_for(50, "without PostgreSQL")
        finally:
            system.postgres.start()
        recovered_s = time_until(lambda: system.storage_is("ok"), "the storage")
        wait_until(lambda: system.metric(SPOOL_ROWS) == 0, IN_TIME_S, "metrics without spooled rows")
    record(f"PostgreSQL stopped for {DOWN_S:.0f} s", loaded, recovered_s)
    check_all(system, loaded)


def test_postgresql_crashes_and_restarts(system: System) -> None:
    with load(system.urls) as loaded:
        loaded.wait_for(50, "before")
        system.postgres.stop(signal.SIGKILL)
        system.postgres.start()
        recovered_s = time_until(lambda: system.storage_is("ok"), "the storage")
        loaded.wait_for(100, "after the crash")
        system.wait_for_storage("ok")
    record("PostgreSQL killed and started again", loaded, recovered_s)
    check_all(system, loaded)


def test_the_connections_to_postgresql_are_cut(system: System) -> None:
    routers = len(system.routers)
    with load(system.urls) as loaded:
        for _ in range(3):
            loaded.wait_for(30, "between the cuts")
            assert system.postgres.cut(system.database) >= routers
        with system.postgres.holding(system.database, LOCK) as waiting:
            wait_until(lambda: waiting() == routers, IN_TIME_S, "a commit of each router on its way")
            assert system.postgres.cut(system.database) >= routers
        loaded.wait_for(30, "after the cuts")
        system.wait_for_storage("ok")
    check_all(system, loaded)


def test_a_commit_that_ends_too_late_doubles_nothing(system: System) -> None:
    with load(system.urls) as loaded:
        loaded.wait_for(30, "before")
        with system.postgres.holding(system.database, LOCK):
            system.wait_for_storage("spooling")
            assert {status["last_error"] for status in system.storage()} == {"no commit within 1 s"}
            loaded.wait_for(50, "while nothing can be written")
        system.wait_for_storage("ok")
    check_all(system, loaded)


def test_a_replica_dies_while_it_spools(system: System) -> None:
    first, second = system.routers
    (pid,) = first.replica_pids("Ingress")
    with load(system.urls) as loaded:
        system.postgres.stop()
        try:
            system.wait_for_storage("spooling")
            loaded.wait_for(100, "without PostgreSQL")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: set(first.replica_pids("Ingress")) - {pid}, IN_TIME_S, "a new replica")
            wait_until(first.healthy, IN_TIME_S, "its first answer")
            loaded.wait_for(100, "with the new replica")
        finally:
            system.postgres.start()
        system.wait_for_storage("ok")
    assert not [failure for failure in loaded.failures if failure.url == second.url]
    loaded.check()
    decisions, outcomes = system.stored()
    answered, ended = rows_of(loaded.answers)
    assert answered <= decisions
    on_their_way = CLIENTS  # each client had one request when the replica died
    assert len(decisions - answered) <= on_their_way
    assert len(ended - outcomes) <= on_their_way
    system.check_nothing_lost()


def test_a_full_spool_loses_rows_and_counts_them(system: System) -> None:
    """The last test: the rows it loses stay counted."""
    system.postgres.stop()
    try:
        with load(system.urls, LONG) as loaded:
            system.wait_for_storage("full")
            loaded.wait_for(50, "with a full spool")
            assert all(status["last_error"].startswith("spool full:") for status in system.storage())
            system.postgres.start()
            system.wait_for_storage("ok")
            dropped = sum(status["dropped_rows"] for status in system.storage())
            wait_until(lambda: system.metric(REFUSED_ROWS) == dropped, IN_TIME_S, "metrics with the lost rows")
    finally:
        if not system.postgres.running:
            system.postgres.start()
    assert loaded.failures == []
    loaded.check()
    assert dropped > 0
    kept = 2 * len(loaded.answers) - dropped
    wait_until(lambda: sum(map(len, system.stored())) >= kept, IN_TIME_S, "what the spool held")
    decisions, outcomes = system.stored()
    assert len(decisions) + len(outcomes) == kept
    answered, ended = rows_of(loaded.answers)
    assert decisions <= answered
    assert outcomes <= ended
