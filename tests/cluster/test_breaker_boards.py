"""Breakers of two replicas over the real GCS; tests/contract has the same over Redis."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from app.models.breaker_sync import Board
from app.paths import PROJECT
from deployments.gcs_board import GcsBoard
from tests.contract import test_breaker_boards as contract
from tests.servers.process import tail

pytestmark = pytest.mark.cluster


def test_replicas_share_their_breakers_through_the_gcs(tmp_path: Path) -> None:
    """In a process of its own: it starts a second Ray, which must not meet the one of the other tests."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.cluster.test_breaker_boards"],
            cwd=PROJECT,
            env={**os.environ, "RAY_ADDRESS": "local"},
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=180,
        )
    assert ended.returncode == 0, tail(log)


def board(application: str) -> Board:
    return GcsBoard(application)


async def scenario() -> None:
    await contract.test_an_opening_and_a_closing_reach_the_other_replica_and_one_that_starts(lambda: board("a"))
    await contract.test_one_of_all_replicas_probes(lambda: board("b"))
    await contract.test_a_lease_ends_and_is_renewed_by_its_owner_alone(lambda: board("c"))


def main() -> None:
    ray.init(address="local", num_cpus=1, include_dashboard=False)
    try:
        asyncio.run(scenario())
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
