"""The record of releases as the commands use it, and how a release goes from its claim to its end."""

import asyncio
import getpass
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar

from app.errors import RouterError, StorageUnavailable
from app.paths import PROJECT
from app.storage.database import open_database
from app.storage.releases import Draft, Part, Release, Releases, State
from train.errors import PublishError
from train.publishing.push import Replicas, push
from train.publishing.serve_api import ServeApi

Found = TypeVar("Found")


class Registry:
    """Every method raises StorageUnavailable, or ConfigError for a database that can never work."""

    def __init__(self, url: str) -> None:
        self._url = url

    def history(self, part: Part) -> list[Release]:
        """The newest first."""
        return self._ask(lambda releases: releases.history(part))

    def refuse(self, part: Part, draft: Draft) -> None:
        self._ask(lambda releases: releases.refuse(part, draft, datetime.now(UTC)))

    def publish(self, api: ServeApi, part: Part, draft: Draft, live: Draft, newest: Release | None) -> Release:
        """Claims, pushes, and records who serves it. `newest`: the last release that is live, as the caller knows it.

        Raises ReleaseConflict, and PublishError when it did not become live.
        """
        after = newest.sequence if newest else None
        release = self._ask(lambda releases: releases.claim(part, draft, live, after, datetime.now(UTC)))
        try:
            replicas = push(api, part, draft, live)
        except RouterError as error:
            self._settle(release, State.FAILED, {"failed": error.message})
            raise
        self._recorded(release, replicas)
        return release

    def _recorded(self, release: Release, replicas: Replicas) -> None:
        try:
            self._settle(release, State.LIVE, {"replicas": replicas})
        except StorageUnavailable as error:
            raise PublishError(
                f"{release.part} {release.version} is live, but its record is not written: {error.message}; the next "
                "publish mends it"
            ) from error

    def _settle(self, release: Release, state: State, lineage: Mapping[str, Any]) -> None:
        self._ask(lambda releases: releases.settle(release, state, lineage, datetime.now(UTC)))

    def _ask(self, call: Callable[[Releases], Awaitable[Found]]) -> Found:
        async def asked() -> Found:
            database = open_database(self._url, pool_size=1)
            try:
                return await call(Releases(database))
            finally:
                await database.close()

        return asyncio.run(asked())


def origin() -> dict[str, Any]:
    """Who publishes by which code; null where that is not known."""
    return {"by": _user(), "code": {"version": version("llm-router"), "commit": _commit()}}


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return None


def _commit() -> str | None:
    """With "-dirty" when files differ from it."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
