"""What the decision engine makes of each query of a pool, having learnt from the other folds: its factors."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from tqdm import tqdm

from app.artifacts.llama import llama_path
from app.artifacts.minilm import minilm_path
from app.classifier.inputs import Reading, packed
from app.classifier.live import LiveClassifier
from app.domain import Capability, Decision, Domain, Embedding, Prediction, Query, Recollection, Tier
from app.memory.embedder import MiniLMEmbedder
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.memory import Memory, PastOutcome
from app.memory.history.weigh import recollect
from app.paths import project_path
from app.routing.decide import Classifier, DecisionEngine
from app.routing.decide import Memory as Recalling
from app.routing.features import TextFeaturesReader
from app.routing.scored import DecisionRequest
from app.routing.weights import Policy
from tests.bench.routing.pools import Pool
from train.questions import fold

BATCH = 32
TENANT = "default"
SEED = 23  # not that of the folds within a training, which these have to cut across
Lines = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Factors:
    """`quality` and `cost` (n, m): the factors of each candidate, by which weights choose."""

    quality: NDArray[np.float64]
    cost: NDArray[np.float64]


class Read:
    """The queries of a pool, each read once, as Ingress and FeatureExtractor read them."""

    def __init__(self, pool: Pool) -> None:
        embedder = MiniLMEmbedder(minilm_path())
        text = TextFeaturesReader.from_files(
            llama_path() / "tokenizer.json", project_path("configs/text_features.yaml")
        )
        self.queries: list[Query] = []
        self.embeddings: list[Embedding] = []
        for row, tokens in zip(tqdm(pool.rows, desc=f"{pool.name}: reading"), pool.input_tokens.tolist(), strict=True):
            needs = frozenset({Capability.CHAT})
            self.queries.append(
                Query(row.id, row.query, "bench", Tier.FREE, "auto", tokens, needs, text.read(row.query))
            )
            vectors, pooled = embedder.read([row.query])
            self.embeddings.append(Embedding(vectors[0], {Domain.GENERAL: 0.0}, packed(pooled)[0]))


class _Embedder:
    def __init__(self, read: Read) -> None:
        self._known = {query.text: embedding for query, embedding in zip(read.queries, read.embeddings, strict=True)}

    async def embed(self, texts: list[str]) -> list[Embedding]:
        return [self._known[text] for text in texts]


class _Classifier:
    def __init__(self, artefact: Path) -> None:
        self._live = LiveClassifier()
        self._live.reload({"artifact": str(artefact)}, "benchmark")

    async def predict(self, queries: list[Query], embeddings: list[Embedding]) -> list[Prediction]:
        return self._live.predict([Reading.of(*one) for one in zip(queries, embeddings, strict=True)])


class _Memory:
    def __init__(self, history: ChromaHistory, config: MemoryConfig) -> None:
        self._history, self._config = history, config

    async def recall(self, queries: list[Query], embeddings: list[Embedding]) -> list[Recollection]:
        found = await self._history.recall(
            [(query.tenant, _bytes(one)) for query, one in zip(queries, embeddings, strict=True)]
        )
        return [recollect(neighbours, self._config) for neighbours in found]


def folds(pool: Pool, count: int) -> Iterator[tuple[int, Lines, Lines]]:
    """The number of each fold, the lines to learn from, and those to decide on."""
    where = np.array([fold(row.query, count, SEED) for row in pool.rows])
    for one in range(count):
        yield one, np.flatnonzero(where != one), np.flatnonzero(where == one)


def train(pool: Pool, lines: Lines, folder: Path) -> Path:
    """The command that a user runs, on these rows alone. An artefact that is there already is taken."""
    if (folder / "manifest.json").is_file():
        return folder
    data = folder.with_suffix(".jsonl")
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_bytes(b"\n".join(_line(pool, line) for line in lines.tolist()))
    command = ["--data", str(data), "--output", str(folder), "--workers", "2"]
    subprocess.run([sys.executable, "-m", "train.train_classifier", *command], check=True, stdout=subprocess.DEVNULL)
    return folder


async def remember(pool: Pool, lines: Lines, read: Read, folder: Path, config: MemoryConfig) -> ChromaHistory:
    """A memory of how all models did on these rows."""
    history = await ChromaHistory.open(config.model_copy(update={"folder": str(folder)}), None)
    memories = []
    for line in lines.tolist():
        row = pool.rows[line]
        outcomes = tuple(
            PastOutcome(model, row.outcomes[model].score, output_tokens=row.outcomes[model].out_tokens)
            for model in pool.models
        )
        vector = _bytes(read.embeddings[line])
        memories.append(Memory(row.id, TENANT, "bench", time.time(), outcomes, vector=vector))
    await history.add(memories)
    return history


async def decided(
    pool: Pool, read: Read, learn: Lines, decide: Lines, policy: Policy, artefact: Path | None, memory: Recalling | None
) -> Factors:
    """Through DecisionEngine.decide, in batches."""
    classifier: Classifier | None = _Classifier(artefact) if artefact else None
    engine = DecisionEngine(
        pool.catalogue(learn), policy, embedder=_Embedder(read), classifier=classifier, memory=memory
    )
    quality, cost = (np.empty((len(decide), len(pool.models))) for _ in range(2))
    for start in range(0, len(decide), BATCH):
        lines = decide[start : start + BATCH].tolist()
        decisions = await engine.decide([DecisionRequest(read.queries[line], {}) for line in lines])
        for at, decision in enumerate(decisions, start):
            _check(decision, classifier is not None, memory is not None)
            factors = {candidate.model: candidate.factors for candidate in decision.candidates}
            quality[at] = [factors[model]["quality"] for model in pool.models]
            cost[at] = [factors[model]["cost"] for model in pool.models]
    return Factors(quality, cost)


def engine_factors(
    pool: Pool, read: Read, policy: Policy, config: MemoryConfig, count: int, work: Path
) -> dict[str, Factors]:
    """Of the whole engine, and of it without the memory and without the classifier; (n, m) over all folds."""
    found = {
        name: Factors(*(np.empty(pool.scores.shape) for _ in range(2))) for name in ("engine", "classifier", "memory")
    }
    for one, learn, decide in folds(pool, count):
        place = work / f"{pool.name}-{one}-of-{count}"
        artefact = train(pool, learn, place / "classifier")
        parts = asyncio.run(_three(pool, read, learn, decide, policy, config, place, artefact))
        for name, part in parts.items():
            found[name].quality[decide], found[name].cost[decide] = part.quality, part.cost
        print(f"{pool.name}: fold {one + 1} of {count}", flush=True)
    return found


async def _three(
    pool: Pool,
    read: Read,
    learn: Lines,
    decide: Lines,
    policy: Policy,
    config: MemoryConfig,
    place: Path,
    artefact: Path,
) -> dict[str, Factors]:
    history = await remember(pool, learn, read, place / "memory", config)
    try:
        memory = _Memory(history, config)
        return {
            "engine": await decided(pool, read, learn, decide, policy, artefact, memory),
            "classifier": await decided(pool, read, learn, decide, policy, artefact, None),
            "memory": await decided(pool, read, learn, decide, policy, None, memory),
        }
    finally:
        await history.close()


def _check(decision: Decision, classifier: bool, memory: bool) -> None:
    """A stage that was late would be measured as if it had been there."""
    if (decision.prediction is not None, decision.recollection is not None) != (classifier, memory):
        raise RuntimeError(f"a stage took no part: {decision.skipped}")


def _bytes(embedding: Embedding) -> bytes:
    return np.asarray(embedding.vector, np.float32).tobytes()


def _line(pool: Pool, line: int) -> bytes:
    row = pool.rows[line]
    outcomes = {model: row.outcomes[model] for model in pool.models}
    return orjson.dumps(
        {"id": row.id, "source": row.source, "query": row.query, "domain": row.domain, "outcomes": outcomes}
    )
