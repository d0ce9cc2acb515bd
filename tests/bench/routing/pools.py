"""Pools of models with the outcomes of all of them on the same queries, and the catalogue that a router would have."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain import Capability, Provider, QualityTier
from app.models.catalogue import Catalogue, ModelSpec, Prices
from train.dataset import mix
from train.files import read_rows
from train.pool import complete, costs, scores
from train.rows import Row

MILLION = 1_000_000
MOST = 0.9  # of the rows that a model has to have answered
ROUTERBENCH = tuple(f"eval_only/outcomes_routerbench_{name}.jsonl" for name in ("mbpp", "arc_challenge", "winograde"))
ZEROEVAL = ("outcomes_zeroeval_crux.jsonl", "outcomes_zeroeval_mathl5.jsonl")
ZEROEVAL_MODELS = (
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "claude-3-5-sonnet-20241022",
    "claude-3-haiku-20240307",
    "Meta-Llama-3.1-70B-Instruct",
    "Meta-Llama-3.1-8B-Instruct",
    "Qwen2.5-72B-Instruct",
    "Qwen2.5-7B-Instruct",
)
POOLS = {
    "RouterBench": (ROUTERBENCH, ()),
    "ZeroEval": (ZEROEVAL, ZEROEVAL_MODELS),
    "MMLU-Pro": (("outcomes_mmlupro.jsonl",), ()),
}


@dataclass(frozen=True, slots=True)
class Pool:
    """`scores` and `costs` (n, m); `input_tokens` (n,) of the prompt, known before a model is called."""

    name: str
    rows: tuple[Row, ...]
    models: tuple[str, ...]
    scores: NDArray[np.float64]
    costs: NDArray[np.float64]
    input_tokens: NDArray[np.int64]

    def catalogue(self, lines: NDArray[np.int64]) -> Catalogue:
        """As an operator would write it who knows prices, and nothing of quality: prices are those that explain the
        bills of `lines`, least squares over input and output tokens.
        """
        return Catalogue({model: _spec(model, self._prices(model, lines)) for model in self.models})

    def _prices(self, model: str, lines: NDArray[np.int64]) -> Prices:
        rows = [self.rows[line] for line in lines.tolist()]
        known = [row.outcomes[model] for row in rows if row.outcomes[model].out_tokens is not None]
        tokens = np.array([[one.in_tokens or 0, one.out_tokens or 0] for one in known], np.float64)
        paid = np.array([one.cost_usd for one in known], np.float64)
        per_input, per_output = np.linalg.lstsq(tokens, paid, rcond=None)[0].tolist()
        return Prices(input=max(0.0, per_input * MILLION), output=max(0.0, per_output * MILLION))


def read_pool(name: str, data: Path) -> Pool:
    """Raises DataError when a file is not there."""
    files, wanted = POOLS[name]
    rows = mix([row for file in files for row in read_rows(data / file)[0]]).rows
    counts = Counter(model for row in rows for model in row.outcomes)
    models = wanted or tuple(sorted(model for model, count in counts.items() if count >= MOST * len(rows)))
    kept = tuple(complete(rows, models))
    prompt = [int(np.median([row.outcomes[model].in_tokens or 0 for model in models])) for row in kept]
    return Pool(
        name,
        kept,
        models,
        scores(kept, models).astype(np.float64),
        costs(kept, models).astype(np.float64),
        np.array(prompt, np.int64),
    )


def _spec(model: str, prices: Prices) -> ModelSpec:
    return ModelSpec(
        id=model,
        provider=Provider.OPENAI,
        upstream_name=model,
        prices_usd_per_million=prices,
        context_window_tokens=1_000_000,
        capabilities=frozenset(Capability),
        quality_tier=QualityTier.MEDIUM,
        expected_latency_ms=1000,
    )
