import pytest

from app.completion import Usage
from app.models.catalogue import Prices
from app.models.pricing import cost_usd, expected_cost_usd

FULL = Prices(input=2.0, cached_input=0.5, output=8.0)


def test_every_kind_of_token_has_its_price() -> None:
    assert cost_usd(FULL, Usage(1_000_000, 500_000, 200_000)) == pytest.approx(0.8 * 2 + 0.2 * 0.5 + 0.5 * 8)


def test_cached_input_without_a_price_is_charged_as_input() -> None:
    assert cost_usd(Prices(input=2.0, output=8.0), Usage(1_000_000, 0, 400_000)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("prices", "usage"),
    [
        (Prices(), Usage(1, 1)),
        (Prices(input=1.0), Usage(1, 1)),
        (Prices(output=1.0), Usage(1, 1)),
        (Prices(cached_input=1.0, output=1.0), Usage(10, 1, 4)),
    ],
)
def test_an_unknown_price_is_not_zero(prices: Prices, usage: Usage) -> None:
    assert cost_usd(prices, usage) is None


@pytest.mark.parametrize(
    ("prices", "usage", "cost"),
    [
        (Prices(), Usage(), 0.0),
        (Prices(input=1.0), Usage(1_000_000, 0), 1.0),
        (Prices(cached_input=1.0), Usage(1_000_000, 0, 1_000_000), 1.0),
        (Prices(input=0.0, output=0.0), Usage(5, 5), 0.0),
    ],
)
def test_no_tokens_need_no_price(prices: Prices, usage: Usage, cost: float) -> None:
    assert cost_usd(prices, usage) == pytest.approx(cost)


def test_more_cached_than_input_tokens_never_earn_money() -> None:
    assert cost_usd(FULL, Usage(10, 0, 20)) == pytest.approx(10 * 0.5 / 1e6)


def test_expected_cost_assumes_an_empty_cache() -> None:
    assert expected_cost_usd(FULL, 1_000_000, 1_000_000) == pytest.approx(10.0)
    assert expected_cost_usd(Prices(input=1.0), 10, 10) is None
