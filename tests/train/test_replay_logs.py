"""Traffic from the router's own database: SQLite, and a real PostgreSQL."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ConfigError
from tests.app.storage.samples import NOW, decision, outcome
from tests.train.test_recorded import Call, record
from train.errors import DataError
from train.replayed.logs import from_database
from train.replayed.traffic import Logged

LONG_AGO = NOW - timedelta(days=1)


def candidate(model: str, quality: float | None, cost: float | None = 0.5, hint: float | None = None) -> dict[str, Any]:
    factors = {"quality": quality, "cost": cost, "latency": 1.0} | ({} if hint is None else {"hint": hint})
    return {"model": model, "score": 0.5, "factors": factors, "cost_usd": 0.25, "latency_ms": 900.0}


BOTH = [candidate("small", 0.75), candidate("strong", 0.5, None)]
TURNED = [candidate("strong", 0.875, hint=1.0), candidate("small", 0.25, hint=0.0)]


def call(id_: str, rating: int | None, given: Mapping[str, Any] | None = None, **changes: Any) -> Call:
    ended = {"fallbacks": [], **changes}
    return decision(id_, **{"candidates": BOTH, **(given or {})}), outcome(id_, **ended), rating


CALLS = [
    call("good", 5),
    call("explored", 2, {"candidates": TURNED, "propensity": 0.25, "tier": "free"}, model="strong", cost_usd=1.0),
    call("unrated", None, {"domain": "math"}, cost_usd=None),
    call("failed", None, model=None, error="upstream_timeout", fallbacks=["small:upstream_timeout"]),
    call("our fault", None, model=None, error="upstream_unauthorized", fallbacks=["small:upstream_unauthorized"]),
    call("degraded", 3, {"cause": "degraded"}),
    call("rule", 5, {"cause": "rule"}),
    call("named", 5, {"cause": "requested"}),
    call("cached", 5, {"cause": "cache", "candidates": []}, cache="exact"),
    call("similar", 5, cache="semantic"),
    call("old", 5, {"candidates": [{"model": "small", "score": 1.0, "factors": {}, "cost_usd": None}]}),
]


def test_traffic_with_what_was_chosen(database_url: str) -> None:
    record(database_url, CALLS)
    replay = from_database(database_url, LONG_AGO)
    assert not replay.exact
    free, pro = replay.traffic["free"], replay.traffic["pro"]
    assert pro.models == ("small", "strong")
    assert free.models == ("strong", "small")  # by rank
    assert isinstance(pro.outcomes, Logged)
    assert isinstance(free.outcomes, Logged)
    assert free.quality.tolist() == [[0.875, 0.25]]
    assert free.hint.tolist() == [[1, 0]]
    assert (free.outcomes.chosen[0], free.outcomes.propensity[0], free.outcomes.reward[0]) == (0, 0.25, 0.25)
    assert len(pro) == 5
    assert pro.eligible.all()
    assert np.isnan(pro.hint).all()
    assert pro.cost is not None
    np.testing.assert_array_equal(pro.cost[0], [0.5, np.nan])
    np.testing.assert_array_equal(pro.latency_ms[0], [900, 900])
    rewards = dict(
        zip(sorted(("good", "unrated", "failed", "our fault", "degraded")), pro.outcomes.reward, strict=True)
    )
    assert (rewards["good"], rewards["failed"], rewards["degraded"]) == (1, 0, 0.5)
    assert np.isnan([rewards["unrated"], rewards["our fault"]]).all()
    assert sorted(pro.domain.tolist()) == ["coding"] * 4 + ["math"]
    assert set(pro.texts) == {"What is 2 + 2?"}
    assert replay.notes[0] == "3 of 6 decisions have no rating: their cost and latency count only"
    assert set(replay.notes[1:]) == {
        "1 skipped: decided by rule, not by weights",
        "1 skipped: decided by requested, not by weights",
        "1 skipped: decided by cache, not by weights",
        "1 skipped: answered by a cache",
        "1 skipped: stored without the quality of its candidates",
    }


def test_nothing_to_replay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/router.db"
    record(url, [call("rule", 5, {"cause": "rule"})])
    with pytest.raises(DataError, match=r"nothing to replay\n1 skipped: decided by rule"):
        from_database(url, LONG_AGO)
    with pytest.raises(DataError, match="no decision of the score has finished since"):
        from_database(url, NOW + timedelta(hours=1))
    with pytest.raises(ConfigError, match="is not a database known here"):
        from_database("mysql://u:secret@host/db", LONG_AGO)


def test_logs_without_propensities_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/router.db"
    record(url, [call("good", 5), call("none", 5, {"propensity": 0.0})])
    with pytest.raises(DataError, match=r"1 of 2 decisions were stored without a propensity above 0 to 1"):
        from_database(url, LONG_AGO)
