"""What a policy does on stored traffic, as the probability of each model; by the code that serves."""

from dataclasses import replace

import numpy as np

from app.routing import choice
from app.routing.weights import Policy
from train.metrics import Array, Indices
from train.replayed.traffic import Traffic


def choose(traffic: Traffic, policy: Policy) -> Indices:
    """The column that is best by the weights of the tier, (n,)."""
    return _best(traffic, policy, _score(traffic, policy))


def probabilities(traffic: Traffic, policy: Policy) -> Array:
    """Of asking each model first, (n, m): exploration of near-ties included, as in `scoring.explore`."""
    score = _score(traffic, policy)
    best = _best(traffic, policy, score)
    chosen = certain(traffic, best)
    share = policy.exploration.share
    if share <= 0 or policy.weights[traffic.tier].quality_floor > 0:
        return chosen
    near = score >= score[np.arange(len(score)), best][:, None] - policy.exploration.margin
    ties = near.sum(axis=1, keepdims=True)
    found: Array = np.where(ties > 1, (1 - share) * chosen + share * near / ties, chosen)
    return found


def certain(traffic: Traffic, columns: Indices | int) -> Array:
    """Always the given column, (n, m)."""
    found = np.zeros(traffic.quality.shape)
    found[np.arange(len(traffic)), columns] = 1.0
    return found


def random(traffic: Traffic) -> Array:
    """Any eligible model, all alike, (n, m)."""
    found: Array = traffic.eligible / traffic.eligible.sum(axis=1, keepdims=True)
    return found


def always(traffic: Traffic, model: int) -> Array:
    """One model, (n, m); where it is not eligible, the eligible one of the highest quality."""
    other = np.where(traffic.eligible, traffic.quality, -np.inf).argmax(axis=1)
    return certain(traffic, np.where(traffic.eligible[:, model], model, other))


def with_cost(traffic: Traffic, policy: Policy) -> Traffic:
    """With the cost factor that this policy has, so that policies that differ in weights need not compute it."""
    return replace(traffic, cost=_cost(traffic, policy))


def _best(traffic: Traffic, policy: Policy, score: Array) -> Indices:
    floor = policy.weights[traffic.tier].quality_floor
    best: Indices = choice.order(score, traffic.quality, traffic.cost_usd, floor)[:, 0]
    return best


def _score(traffic: Traffic, policy: Policy) -> Array:
    """-inf where a model is not eligible. A line without a hint is scored without that factor, as when serving."""
    weights = policy.weights[traffic.tier]
    factors = {"quality": traffic.quality, "cost": _cost(traffic, policy), "latency": traffic.latency}
    score = choice.score(factors, weights)
    hinted = (~np.isnan(traffic.hint)).any(axis=1, keepdims=True)
    if hinted.any():
        with_hint = choice.score({**factors, "hint": np.nan_to_num(traffic.hint)}, weights)
        score = np.where(hinted, with_hint, score)
    found: Array = np.where(traffic.eligible, score, -np.inf)
    return found


def _cost(traffic: Traffic, policy: Policy) -> Array:
    """See `choice.cheapness`; the scale is the spread of the eligible models for a query of usual length."""
    if traffic.cost is not None:
        return traffic.cost
    tokens = np.array([policy.expected_input_tokens, policy.expected_output_tokens], np.float64)
    usual = np.where(traffic.eligible, traffic.prices @ tokens, np.nan)
    known = ~np.isnan(usual)
    spread = np.where(known, usual, -np.inf).max(axis=1) - np.where(known, usual, np.inf).min(axis=1)
    scale = np.where(np.isfinite(spread), spread, 0.0)[:, None]
    return choice.cheapness(np.where(traffic.eligible, traffic.cost_usd, np.nan), scale)
