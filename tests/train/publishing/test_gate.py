"""What a comparison lets through."""

from dataclasses import replace
from math import nan

import pytest

from train.bootstrap import Interval
from train.publishing.gate import Change, refusal

SAME = Interval(0.0, -0.005, 0.005)
CHANGE = Change(SAME, Interval(0.3, 0.2, 0.4), {"free": SAME, "pro": SAME}, 500, "doubly_robust")


@pytest.mark.parametrize("low", [0.002, -0.01])
def test_what_may_lose_no_more_than_allowed(low: float) -> None:
    assert refusal(replace(CHANGE, quality=Interval(0.004, low, 0.006)), 0.01) is None


def test_a_loss_that_may_be_too_large() -> None:
    change = replace(CHANGE, quality=Interval(0.001, -0.02, 0.022))
    expected = "its quality may be lower by more than 0.01: by doubly_robust 0.001 (-0.020 to 0.022)"
    assert refusal(change, 0.01) == expected
    assert refusal(change, 0.02) is None


def test_what_one_tier_surely_loses_is_not_made_up_for_by_others() -> None:
    change = replace(CHANGE, tiers={"free": Interval(0.05, 0.04, 0.06), "pro": Interval(-0.04, -0.05, -0.03)})
    assert refusal(change, 0.01) == "its quality is lower by more than 0.01 for pro -0.040 (-0.050 to -0.030)"


def test_traffic_that_says_too_little() -> None:
    assert "the traffic says too little of it: few; fewer" in str(
        refusal(replace(CHANGE, warnings=("few", "fewer")), 0.01)
    )
    unknown = replace(CHANGE, quality=Interval(nan, nan, nan))
    assert refusal(unknown, 0.01) == "of 500 queries too few have a known outcome to say anything of its quality"
