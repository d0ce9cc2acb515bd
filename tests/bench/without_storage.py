"""The `router` application with a recorder that keeps nothing: what tests.bench.requests compares storage with.

As a program it is the launcher, which then knows this application too.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from ray.serve.deployment import Application

import deployments.ingress
from app.recording import Recording
from app.storage.records import DecisionRecord, OutcomeRecord
from app.storage.store import Store
from app.storage.writer import RecorderStatus
from deployments import config, graph, launch


class KeepsNothing:
    def decided(self, _: DecisionRecord) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def finished(self, _: OutcomeRecord) -> None:
        pass

    def status(self) -> RecorderStatus:
        return RecorderStatus("ok", 0, 0, 0, None, None)


class Ingress(deployments.ingress.Ingress):
    def _recording(self, store: Store) -> Recording:
        recording = super()._recording(store)
        recording._recorder = KeepsNothing()  # type: ignore[assignment]
        return recording


def router(args: dict[str, Any]) -> Application:
    deployments.ingress.Ingress = Ingress  # type: ignore[misc]
    return graph.router(args)


if __name__ == "__main__":
    for known in (config.ARGS, config.DEPLOYMENTS):
        known["tests.bench.without_storage:router"] = known[config.ROUTER]  # type: ignore[index]
    sys.exit(launch.main(Path(sys.argv[1])))
