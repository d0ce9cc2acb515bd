"""python -m tests.bench.routing --data FOLDER: what the whole decision engine saves, on outcomes by others.

For each pool and fold, a classifier is trained with the command that users run and a memory filled, both from the other
folds; the queries go through DecisionEngine.decide; then the weight of cost is swept, as tuning would, over the factors
of its decisions. Held-out splits take no part. Needs the outcome files that tests/bench/README.md names.
"""

import argparse
import json
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from app.memory.history.config import MemoryConfig
from app.paths import project_path
from app.routing import choice
from app.routing.weights import Policy, Weights
from tests.bench.routing.engine import Factors, Read, engine_factors, folds
from tests.bench.routing.plot import plot
from tests.bench.routing.pools import POOLS, Pool, read_pool
from tests.bench.routing.table import table
from train.baselines import Neighbours, oracle, random_predictions
from train.bootstrap import Interval, differences, intervals
from train.curves import Policies, singles, sweep

PRICES = np.geomspace(1e-4, 1e4, 240)  # what the cost factor weighs against quality
ENGINE = "engine"


def main() -> None:
    args = _parser().parse_args()
    shipped = yaml.safe_load(project_path("serve_config.yaml").read_text())["applications"][0]
    policy = Policy.read(shipped["deployments"][0]["user_config"], "serve_config.yaml")
    patient = {"classifier_timeout_ms": 60_000, "memory_timeout_ms": 60_000, "embedding_timeout_ms": 60_000}
    policy = policy.model_copy(update=patient)  # batches on a busy machine; latency is measured elsewhere
    memory = MemoryConfig.model_validate(shipped["args"].get("memory", {}))
    curves, document = {}, {}
    with nullcontext(str(args.work)) if args.work else tempfile.TemporaryDirectory() as work:
        for name in args.pools:
            pool = read_pool(name, args.data)
            metrics = _measured(pool, policy, memory, args.folds, Path(work))
            figures = {one: intervals(metric) for one, metric in metrics.items()}
            behind = {one: differences(metrics[ENGINE], metric) for one, metric in metrics.items() if one != ENGINE}
            print(table(pool, figures, behind), flush=True)
            curves[name] = {one: metric.curve() for one, metric in metrics.items()}
            document[name] = {
                one: {figure: _plain(value) for figure, value in found.items()} for one, found in figures.items()
            }
    if args.json:
        args.json.write_text(json.dumps(document, indent=2) + "\n")
    if args.plot:
        plot(curves, args.plot)


def _measured(pool: Pool, policy: Policy, memory: MemoryConfig, count: int, work: Path) -> dict[str, Policies]:
    read = Read(pool)
    found = engine_factors(pool, read, policy, memory, count, work)
    vectors = np.array([embedding.vector for embedding in read.embeddings], np.float32)
    neighbours, mean = np.empty(pool.scores.shape), np.empty(pool.scores.shape)
    for _, learn, decide in folds(pool, count):
        neighbours[decide] = Neighbours.fit(vectors[learn], pool.scores[learn]).predict(vectors[decide])
        mean[decide] = pool.costs[learn].mean(axis=0)
    policies = {name: swept(pool, factors) for name, factors in found.items()}
    policies["kNN (80)"] = sweep(neighbours, mean)
    policies["random"] = sweep(random_predictions(*pool.scores.shape), mean)
    policies["single models"] = singles(*pool.scores.shape)
    policies["oracle"] = sweep(oracle(pool.scores), pool.costs)
    return {name: Policies(one, pool.scores, pool.costs) for name, one in policies.items()}


def swept(pool: Pool, factors: Factors) -> NDArray[np.int64]:
    """Choices (k, n) by app.routing.choice, the weight of cost rising; at last always the cheapest model."""
    chosen = []
    for price in PRICES:
        weights = Weights(quality=1 / (1 + price), cost=price / (1 + price), latency=0, hint=0)
        score = choice.score({"quality": factors.quality, "cost": factors.cost}, weights)
        chosen.append(choice.order(score, factors.quality, -factors.cost, 0.0)[:, 0])
    cheapest = np.full(len(pool.rows), pool.costs.mean(axis=0).argmin())
    return np.array([*chosen, cheapest], np.int64)


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in asdict(interval).items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.routing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the outcome files")
    parser.add_argument("--pools", nargs="+", choices=list(POOLS), default=list(POOLS))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="keeps what was trained, for another run")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    return parser


if __name__ == "__main__":
    main()
