"""Ids are UUIDs that Python knows, and in the order of time."""

from uuid import RFC_4122, UUID

import pytest

from app import ids


def test_an_id_is_a_uuid_of_version_7_and_no_two_are_equal() -> None:
    made = [ids.new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    for id_ in made:
        assert (UUID(id_).version, UUID(id_).variant, UUID(id_).hex) == (7, RFC_4122, id_)


def test_later_ids_are_greater(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 1_700_000_000_000, 1_700_000_000_001, 2**48 - 1):
        monkeypatch.setattr("time.time_ns", lambda ms=milliseconds: ms * 1_000_000)
        made.append(ids.new_id())
    assert made == sorted(made)
    assert UUID(made[1]).int >> 80 == 1_700_000_000_000
