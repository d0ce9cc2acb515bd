"""Which release a rollback goes back to."""

from typing import Any

import pytest

from app.errors import ConfigError
from app.storage.releases import Draft, Part, Release, State
from tests.app.storage.samples import NOW
from train.publishing.previous import RESTORES, previous


def release(sequence: int, version: str, state: State = State.REPLACED, **lineage: Any) -> Release:
    return Release(Part.WEIGHTS, sequence, version, state, {"version": version}, lineage, NOW, NOW)


def live(version: str) -> Draft:
    return Draft(version, {"version": version})


PUBLISHED = [
    release(4, "d", State.LIVE),
    release(3, "refused", State.REFUSED),
    release(2, "failed", State.FAILED),
    release(1, "b"),
    release(0, "a"),
]


def test_the_one_that_was_live_before() -> None:
    assert previous(PUBLISHED, live("d")).version == "b"


def test_again_goes_further_back() -> None:
    history = [release(5, "b", State.LIVE, **{RESTORES: 1}), release(4, "d"), *PUBLISHED[1:]]
    assert previous(history, live("b")).version == "a"
    history = [release(6, "a", State.LIVE, **{RESTORES: 0}), release(5, "b", **{RESTORES: 1}), *history[1:]]
    with pytest.raises(ConfigError, match="version a is the first one that was live: there is nothing to go back to"):
        previous(history, live("a"))


def test_after_a_rollback_and_a_publish_the_restored_one_comes_first() -> None:
    history = [release(6, "e", State.LIVE), release(5, "b", **{RESTORES: 1}), release(4, "d"), *PUBLISHED[1:]]
    assert previous(history, live("e")).sequence == 5


def test_what_was_deployed_by_hand_goes_back_to_what_was_published() -> None:
    assert previous(PUBLISHED, live("by hand")).version == "d"


def test_a_named_version() -> None:
    assert previous(PUBLISHED, live("d"), "a").sequence == 0
    with pytest.raises(ConfigError, match="--to refused: no such version was live before; these were: d, b, a"):
        previous(PUBLISHED, live("d"), "refused")


def test_nothing_was_published() -> None:
    with pytest.raises(ConfigError, match="nothing was published yet"):
        previous([], live("a"))
