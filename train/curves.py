"""Many models: which policies there are between the cheapest and the best, and how good they are for their cost."""

import numpy as np
from numpy.typing import ArrayLike

from train.errors import DataError
from train.metrics import Array, Indices, checked, columns

STEPS = 200
SHARES_OF_COST = (0.25, 0.5, 0.75)
SHARES_OF_QUALITY = (0.95, 1.0)


def sweep(predicted: ArrayLike, costs: ArrayLike, steps: int = STEPS) -> Indices:
    """Policies: for each lambda, the model with the greatest (predicted score - lambda x cost), a column for a query.

    Shape (steps, n). `predicted` (n, m); `costs` in USD: (m,), the mean cost of each model, or (n, m), predicted for
    each query. Lambda goes from 0 (the best at any price) over geometric steps of about 12 % to infinity (always the
    model with the least mean cost). Of equals the cheaper one is chosen. A policy that repeats is left out.
    """
    score = checked("predicted scores", predicted, (None, None), least=-np.inf)
    price = checked("costs", costs, (score.shape[1],) if np.ndim(costs) == 1 else score.shape)
    mean = price.reshape(-1, score.shape[1]).mean(axis=0)
    cheapest_first = np.argsort(mean, kind="stable")
    score, price = score[:, cheapest_first], price[..., cheapest_first]
    lambdas = [0.0, *np.geomspace(1e-3, 1e7, steps - 2) / (mean.max() or 1.0)]
    chosen = [np.argmax(score - weight * price, axis=1) for weight in lambdas]
    policies = cheapest_first[np.array([*chosen, np.zeros(len(score), np.int64)])]
    different = np.r_[True, (policies[1:] != policies[:-1]).any(axis=1)]
    kept: Indices = policies[different].astype(np.int64)
    return kept


def singles(queries: int, models: int) -> Indices:
    """The policies that always choose the same model, shape (models, queries). Alone they are the "zero router"."""
    return np.repeat(np.arange(models, dtype=np.int64)[:, None], queries, axis=1)


def hull(costs: ArrayLike, quality: ArrayLike) -> tuple[Array, Array]:
    """The non-decreasing convex hull of the points (k,): its corners, by rising cost.

    Between corners queries are shared out at random between two policies; beyond the last, its quality stays.
    """
    x, y = np.asarray(costs, np.float64), np.asarray(quality, np.float64)
    corners: list[tuple[float, float]] = []
    for at in np.lexsort((-y, x)).tolist():
        cost, value = float(x[at]), float(y[at])
        if corners and value <= corners[-1][1]:
            continue
        while len(corners) > 1 and _below(corners[-2], corners[-1], (cost, value)):
            corners.pop()
        corners.append((cost, value))
    return np.array([corner[0] for corner in corners]), np.array([corner[1] for corner in corners])


def _below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    """Whether `middle` is on or under the line from `left` to `right`."""
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])


class Policies:
    """What a set of policies reaches, on the non-decreasing convex hull of their (mean cost, mean score).

    `aiq`: the area under the hull from the cheapest to the dearest single model's mean cost, divided by that span
    (Average Improvement in Quality, RouterBench, Hu et al. 2024, 2403.12031; no quality is counted at a cost below
    the cheapest policy's). `quality_at_25`, `_50`, `_75`: the quality at that percentage of the cost of the best
    single model, NaN when no policy is that cheap. `saved_at_95`, `saved_at_100`: the share of the best single model's
    cost that is saved at that percentage of its quality, NaN when no policy is that good. The cheapest, dearest and
    best model are those of all queries, in a bootstrap too.
    """

    names = (
        "aiq",
        *(f"quality_at_{share * 100:.0f}" for share in SHARES_OF_COST),
        *(f"saved_at_{share * 100:.0f}" for share in SHARES_OF_QUALITY),
    )

    def __init__(self, policies: ArrayLike, scores: ArrayLike, costs: ArrayLike) -> None:
        """`policies` (k, n): columns of `scores`, 0 to 1, and `costs`, USD, both (n, m). Raises DataError."""
        score = checked("scores", scores, (None, None), most=1)
        cost = checked("costs", costs, score.shape)
        n, models = score.shape
        if models < 2:
            raise DataError("there is one model only: nothing can be chosen; give outcomes of at least two")
        cheapest, dearest = int(cost.mean(axis=0).argmin()), int(cost.mean(axis=0).argmax())
        if not cost[:, cheapest].mean() < cost[:, dearest].mean():
            raise DataError("all models cost the same: there is no curve of quality over cost; compare their quality")
        best = best_single(score, cost)
        chosen = np.array([columns("a policy", one, n, models) for one in np.atleast_2d(policies)]).T
        lines = np.arange(n)[:, None]
        single = [cost[:, cheapest], cost[:, dearest], cost[:, best], score[:, best]]
        self.table = np.column_stack([cost[lines, chosen], score[lines, chosen], *single])

    def curve(self) -> tuple[Array, Array]:
        """The corners of the hull: USD a query, and quality."""
        return _hull_of(self.table.mean(axis=0))

    def figures(self, means: Array) -> Array:
        flat = means.reshape(-1, means.shape[-1])
        return np.array([_figures(line) for line in flat]).reshape(*means.shape[:-1], len(self.names))


def best_single(scores: ArrayLike, costs: ArrayLike | None = None) -> int:
    """The column with the highest mean score; of equals the one that costs least. Both (n, m)."""
    score = np.asarray(scores, np.float64).mean(axis=0)
    cost = np.zeros(len(score)) if costs is None else np.asarray(costs, np.float64).mean(axis=0)
    return int(np.lexsort((cost, -score))[0])


def _hull_of(means: Array) -> tuple[Array, Array]:
    policies = (len(means) - 4) // 2
    return hull(means[:policies], means[policies : 2 * policies])


def _figures(means: Array) -> list[float]:
    cheapest, dearest, best_cost, best_quality = means[-4:].tolist()
    x, y = _hull_of(means)
    at_cost = [float(np.interp(share * best_cost, x, y, left=np.nan)) for share in SHARES_OF_COST]
    costs = [float(np.interp(share * best_quality, y, x, right=np.nan)) for share in SHARES_OF_QUALITY]
    saved = [1 - cost / best_cost if best_cost > 0 else np.nan for cost in costs]
    return [_area(x, y, cheapest, dearest) / (dearest - cheapest) if dearest > cheapest else np.nan, *at_cost, *saved]


def _area(x: Array, y: Array, start: float, end: float) -> float:
    """Under the hull, from `start` or its first corner, whichever is later, to `end`."""
    inside = x[(x > start) & (x < end)]
    at = np.array([max(start, min(x[0], end)), *inside, end])
    return float(np.trapezoid(np.interp(at, x, y), at))
