"""SQLite and a real PostgreSQL keep the same record of what was published, and let one at a time publish."""

import asyncio
from datetime import timedelta

import pytest

from app.errors import ReleaseConflict
from app.storage.database import Database
from app.storage.releases import PUBLISHING_MINUTES, Draft, Part, Release, Releases, State
from tests.app.storage.samples import NOW

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = (Draft(name, {"version": name, "share": 0.4}, {"by": "ann"}) for name in ("a", "b", "c"))
LATER = NOW + timedelta(minutes=PUBLISHING_MINUTES)


@pytest.fixture
def releases(database: Database) -> Releases:
    return Releases(database)


def ended(history: list[Release]) -> list[tuple[int, str, State]]:
    return [(one.sequence, one.version, one.state) for one in reversed(history)]


async def test_what_was_live_before_is_release_0(releases: Releases) -> None:
    assert await releases.history(Part.WEIGHTS) == []
    release = await releases.claim(Part.WEIGHTS, SECOND, FIRST, None, NOW)
    await releases.settle(release, State.LIVE, {"replicas": ["r1"]}, LATER)
    newest, before = await releases.history(Part.WEIGHTS)
    assert newest == Release(
        Part.WEIGHTS, 1, "b", State.LIVE, SECOND.content, {"by": "ann", "replicas": ["r1"]}, NOW, LATER
    )
    assert before == Release(Part.WEIGHTS, 0, "a", State.REPLACED, FIRST.content, FIRST.lineage, NOW, NOW)
    assert (newest.was_live, before.was_live) == (True, True)
    assert await releases.history(Part.WEIGHTS, 1) == [newest]
    assert await releases.history(Part.CLASSIFIER) == []


async def test_what_was_deployed_by_hand_is_recorded_too(releases: Releases) -> None:
    for draft, found, after in ((SECOND, FIRST, None), (SECOND, THIRD, 1)):
        release = await releases.claim(Part.WEIGHTS, draft, found, after, NOW)
        await releases.settle(release, State.LIVE, {}, NOW)
    assert ended(await releases.history(Part.WEIGHTS)) == [
        (0, "a", State.REPLACED),
        (1, "b", State.REPLACED),
        (2, "c", State.REPLACED),
        (3, "b", State.LIVE),
    ]


async def test_two_publishes_at_once(releases: Releases) -> None:
    claims = (releases.claim(Part.WEIGHTS, draft, FIRST, None, NOW) for draft in (SECOND, THIRD))
    won, lost = sorted(
        await asyncio.gather(*claims, return_exceptions=True), key=lambda one: isinstance(one, Exception)
    )
    assert isinstance(won, Release)
    assert isinstance(lost, ReleaseConflict)
    assert "came first" in lost.message or "is being published since 12:30:15 UTC; wait" in lost.message
    assert len(await releases.history(Part.WEIGHTS)) == 2
    await releases.claim(Part.CLASSIFIER, SECOND, FIRST, None, NOW)  # another part is another matter


async def test_one_that_came_meanwhile(releases: Releases) -> None:
    await releases.settle(await releases.claim(Part.WEIGHTS, SECOND, FIRST, None, NOW), State.LIVE, {}, NOW)
    with pytest.raises(ReleaseConflict, match="another release of weights came first: release 1, version b, is live"):
        await releases.claim(Part.WEIGHTS, THIRD, FIRST, None, LATER)


@pytest.mark.parametrize(("live", "state"), [(FIRST, State.FAILED), (SECOND, State.REPLACED)])
async def test_a_publisher_that_died_is_taken_over(releases: Releases, live: Draft, state: State) -> None:
    dead = await releases.claim(Part.WEIGHTS, SECOND, FIRST, None, NOW)
    with pytest.raises(ReleaseConflict, match="weights b is being published since"):
        await releases.claim(Part.WEIGHTS, THIRD, live, 0, LATER - timedelta(seconds=1))
    release = await releases.claim(Part.WEIGHTS, THIRD, live, 0, LATER)
    with pytest.raises(ReleaseConflict, match="took too long"):
        await releases.settle(dead, State.LIVE, {}, LATER)
    await releases.settle(release, State.LIVE, {}, LATER)
    found = ended(await releases.history(Part.WEIGHTS))
    assert found == [(0, "a", State.REPLACED), (1, "b", state), (2, "c", State.LIVE)]


async def test_what_did_not_become_live(releases: Releases) -> None:
    release = await releases.claim(Part.WEIGHTS, SECOND, FIRST, None, NOW)
    await releases.settle(release, State.FAILED, {"failed": "not in time"}, NOW)
    refused = await releases.refuse(Part.WEIGHTS, THIRD, NOW)
    assert (refused.state, refused.was_live) == (State.REFUSED, False)
    found = await releases.history(Part.WEIGHTS)
    assert ended(found) == [(0, "a", State.LIVE), (1, "b", State.FAILED), (2, "c", State.REFUSED)]
    assert found[1].lineage == {"by": "ann", "failed": "not in time"}
