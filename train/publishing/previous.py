"""Which release a rollback goes back to."""

from collections.abc import Sequence

from app.errors import ConfigError
from app.storage.releases import Draft, Release, State

RESTORES = "restores"  # in the lineage of a rollback: the sequence of the release whose content it has


def previous(history: Sequence[Release], live: Draft, to: str | None = None) -> Release:
    """The newest release that was live before what is live now, or the newest one of version `to`.

    `history` is the newest first. After a rollback, another one goes further back. Raises ConfigError when there is
    none.
    """
    once = [release for release in history if release.was_live]
    if to is not None:
        found = next((one for one in once if one.version == to and one.content != live.content), None)
        if found is None:
            versions = ", ".join(dict.fromkeys(one.version for one in once)) or "none"
            raise ConfigError(f"--to {to}: no such version was live before; these were: {versions}")
        return found
    head = next((one for one in once if one.state is State.LIVE), None)
    if head is None:
        raise ConfigError("nothing was published yet: there is nothing to go back to")
    if head.content != live.content:  # deployed by hand since
        return head
    by_sequence = {one.sequence: one for one in history}
    while RESTORES in head.lineage:
        head = by_sequence[head.lineage[RESTORES]]
    for release in once:
        if release.sequence < head.sequence and release.content != live.content:
            return release
    raise ConfigError(f"version {live.version} is the first one that was live: there is nothing to go back to")
