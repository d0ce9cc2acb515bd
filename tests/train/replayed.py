"""Simulated traffic of which the truth is known, for the tests of replay and tuning."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain import Tier
from app.paths import project_path
from app.routing.weights import Policy
from train.replayed.policy_file import read_policy
from train.replayed.traffic import Full, Logged, Traffic

MODELS = ("small", "medium", "large")
PRICES_USD = np.array([0.001, 0.004, 0.020])  # of an answer
Array = NDArray[np.float64]


def policy(**changes: Any) -> Policy:
    return _shipped().model_copy(update=changes)


@cache
def _shipped() -> Policy:
    return read_policy(project_path("serve_config.yaml"))[0]


def full(queries: int, seed: int = 0, tier: Tier = Tier.PRO) -> Traffic:
    """Harder queries need larger models; P(success) as the classifier tells it is off by a little."""
    random = np.random.default_rng(seed)
    hard = random.random(queries)[:, None]
    truth = 1 / (1 + np.exp(-(np.array([0.3, 0.6, 1.0]) - hard) / 0.15))
    told = np.clip(truth + random.normal(0, 0.05, truth.shape), 0.01, 0.99)
    unknown = np.full(truth.shape, np.nan)
    paid = PRICES_USD * random.lognormal(0, 0.2, truth.shape)
    return Traffic(
        tier=tier,
        models=MODELS,
        eligible=np.ones(truth.shape, np.bool_),
        quality=told,
        cost_usd=np.broadcast_to(PRICES_USD, truth.shape),
        latency_ms=unknown,
        latency=unknown,
        hint=unknown,
        cost=None,
        prices=np.column_stack([np.zeros(3), PRICES_USD / 300]),
        domain=np.where(hard[:, 0] < 0.5, "general", "math"),
        order=random.random(queries),
        texts=(),
        outcomes=Full((random.random(truth.shape) < truth).astype(np.float64), paid, unknown),
    )


def logged(traffic: Traffic, logging: Array, seed: int = 0) -> Traffic:
    """What remains of it when one model a query was asked, by the probabilities `logging` (n, m)."""
    outcomes = traffic.outcomes
    assert isinstance(outcomes, Full)
    lines, random = np.arange(len(traffic)), np.random.default_rng(seed)
    chosen = (random.random(len(traffic))[:, None] > logging.cumsum(axis=1)).sum(axis=1)
    at = lines, chosen
    seen = Logged(chosen, logging[at], outcomes.score[at], outcomes.cost_usd[at], outcomes.latency_ms[at])
    return replace(traffic, outcomes=seen)
