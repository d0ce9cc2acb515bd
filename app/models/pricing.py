"""What a call costs, in US dollars. An unknown price makes the cost unknown, never zero."""

from app.completion import Usage
from app.models.catalogue import Prices

_MILLION = 1_000_000


def cost_usd(prices: Prices, usage: Usage) -> float | None:
    """What the call cost. Cached input without a price of its own is charged as input; no tokens need no price."""
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    cached_price = prices.input if prices.cached_input is None else prices.cached_input
    parts = (
        _part(prices.input, usage.input_tokens - cached),
        _part(cached_price, cached),
        _part(prices.output, usage.output_tokens),
    )
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def expected_cost_usd(prices: Prices, input_tokens: int, output_tokens: float) -> float | None:
    """What a call of this size would cost with nothing cached."""
    parts = _part(prices.input, input_tokens), _part(prices.output, output_tokens)
    return None if parts[0] is None or parts[1] is None else parts[0] + parts[1]


def _part(usd_per_million: float | None, tokens: float) -> float | None:
    if tokens == 0:
        return 0.0
    return None if usd_per_million is None else usd_per_million * tokens / _MILLION
