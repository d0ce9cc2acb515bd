import random

import pytest

from app.storage.histogram import bucket, percentile_ms


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_percentiles_are_within_one_per_cent(share: float) -> None:
    latencies = sorted(random.Random(7).lognormvariate(5, 2) for _ in range(10_001))
    counts: dict[int, int] = {}
    for latency in latencies:
        counts[bucket(latency)] = counts.get(bucket(latency), 0) + 1
    assert percentile_ms(counts, share) == pytest.approx(latencies[int(share * 10_000)], rel=0.0101)


def test_nothing_and_zero() -> None:
    assert percentile_ms({}, 0.5) is None
    assert percentile_ms({bucket(0.0): 1}, 0.5) == pytest.approx(0.001, rel=0.01)
