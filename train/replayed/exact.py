"""The value of a policy where it is known what every model did: an expectation, with nothing estimated."""

import numpy as np

from train.metrics import Array
from train.replayed.traffic import Full
from train.replayed.value import Value


def exact(full: Full, probability: Array) -> Value:
    """`probability` (n, m) of asking each model. A line counts where all that may be asked is known."""
    asked = probability > 0
    numerators: list[Array] = []
    denominators: list[Array] = []
    for values in (full.score, full.cost_usd, full.latency_ms):
        known = ~np.any(np.isnan(values) & asked, axis=1)
        expected = np.sum(probability * np.nan_to_num(values), axis=1)
        numerators.append(np.where(known, expected, 0.0))
        denominators.append(known.astype(np.float64))
    return Value.of(numerators, denominators)
