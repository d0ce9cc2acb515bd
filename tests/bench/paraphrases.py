"""python -m tests.bench.paraphrases --outcomes FILE...: does a query in other words go to the same model?

On the pairs of tests/data/semantic_pairs.jsonl that mean the same, for the models of the outcome files, at several
prices of cost. Where one model takes nearly all queries, agreement says nothing.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from app.classifier.model import QueryClassifier
from app.paths import project_path
from train.bootstrap import intervals
from train.dataset import Source, load
from train.features import read_features
from train.metrics import Agreement
from train.pool import complete, costs

PAIRS = "tests/data/semantic_pairs.jsonl"
PRICES = (0.02, 0.05, 0.1, 0.2, 0.3)  # of the dearest model's mean cost, against P(success)


def main() -> None:
    parser = argparse.ArgumentParser(description="Whether paraphrases go to the same model.")
    parser.add_argument("--artifact", type=Path, default=project_path("configs/classifier"))
    parser.add_argument("--outcomes", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    classifier = QueryClassifier(options.artifact)
    rows = load([Source(path) for path in options.outcomes]).rows
    models = [model for model in classifier.manifest.models if any(model in row.outcomes for row in rows)]
    cost = costs(complete(rows, models), models).mean(axis=0)
    if np.isnan(cost).any():
        parser.error("the outcomes have no costs: there is nothing to weigh against P(success)")
    columns = [classifier.manifest.models.index(model) for model in models]
    lines = [json.loads(line) for line in project_path(PAIRS).read_text("utf-8").splitlines()]
    pairs = [line for line in lines if line["same"]]
    features = read_features([pair[side] for side in "ab" for pair in pairs], progress=False)
    success = classifier.figures(features.pooled, features.text)["success"][:, columns]
    print(f"{len(pairs)} pairs, {len(models)} models, classifier {classifier.version}")
    for price in PRICES:
        chosen = np.argmax(success - price * cost / cost.max(), axis=1)
        found = intervals(Agreement(chosen[: len(pairs)], chosen[len(pairs) :], len(models)))
        print(f"price {price:<5} same model {found['agreement']}   largest share {found['largest_share'].value:.2f}")


if __name__ == "__main__":
    main()
