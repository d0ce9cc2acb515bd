"""What decides now, and what was published: GET /api/v1/policy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import StorageUnavailable
from app.storage.releases import Draft, Part, State
from tests.app.storage.samples import NOW
from tests.fakes.router import FakeRouter

POLICY = "/api/v1/policy"


async def test_the_live_version_of_each_part(router: FakeRouter) -> None:
    body = (await router.http.get(POLICY)).json()
    assert body["weights"]["version"] == "1"
    assert set(body["weights"]["tiers"]) == {"free", "pro", "enterprise"}
    assert set(body["weights"]["tiers"]["free"]) == {"quality", "cost", "latency", "hint", "quality_floor"}
    assert body["classifier"] == {"state": "unknown", "version": None, "last_success": None}
    assert body["memory"] == (await router.http.get("/api/v1/health")).json()["services"]["memory"]
    assert (body["releases"], body["releases_missing"]) == ({"weights": [], "classifier": []}, None)


async def test_releases_with_their_lineage(router: FakeRouter) -> None:
    releases = router.store.releases
    before, tuned = Draft("1", {"version": "1"}), Draft("tuned", {"version": "tuned"}, {"forced": "a try"})
    release = await releases.claim(Part.WEIGHTS, tuned, before, None, NOW)
    running = (await router.http.get(POLICY)).json()["releases"]["weights"]
    assert [(one["state"], one["settled_at"] is None) for one in running] == [("publishing", True), ("live", False)]
    await releases.settle(release, State.LIVE, {"replicas": {"Ingress": ["r1"]}}, NOW)
    newest, first = (await router.http.get(POLICY)).json()["releases"]["weights"]
    lineage = {"forced": "a try", "replicas": {"Ingress": ["r1"]}}
    assert newest["lineage"] == lineage
    assert (newest["sequence"], newest["version"], newest["state"]) == (1, "tuned", "live")
    assert (first["sequence"], first["version"], first["state"]) == (0, "1", "replaced")
    assert newest["created_at"] == "2026-05-04T12:30:15.123456+00:00"


async def test_a_database_that_is_down_costs_only_the_releases(
    router: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def down(**_: Any) -> AsyncIterator[AsyncConnection]:
        raise StorageUnavailable("database router.db: away")
        yield

    monkeypatch.setattr(router.store.releases._database, "transaction", down)
    response = await router.http.get(POLICY)
    body = response.json()
    assert (response.status_code, body["weights"]["version"]) == (200, "1")
    assert (body["releases"], body["releases_missing"]) == (None, "database router.db: away")
