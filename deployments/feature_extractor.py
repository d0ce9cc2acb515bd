"""FeatureExtractor: sentence embeddings, the domains they lie close to, and what the classifier reads."""

import asyncio
from array import array
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from app.artifacts.minilm import minilm_path
from app.classifier.inputs import packed
from app.domain import Embedding
from app.memory.embedder import MiniLMEmbedder
from app.memory.prototypes import DomainPrototypes, read_examples
from app.observability import logging
from app.observability.metrics import Metrics
from app.paths import project_path
from app.settings import read_settings
from deployments.args import RouterArgs
from deployments.garbage import collect_less
from deployments.metrics import Measured


class FeatureExtractor(Measured):
    """Embeds lists of texts on one thread, so that the replica's event loop stays free."""

    def __init__(self, args: RouterArgs) -> None:
        logging.configure(read_settings())
        collect_less()
        self.metrics = Metrics()
        self._embedder = MiniLMEmbedder(minilm_path(), threads=args.embedder_threads)
        self._prototypes = DomainPrototypes(self._embedder, read_examples(project_path(args.domain_prototypes)))
        self._thread = ThreadPoolExecutor(1)

    async def embed(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, texts)

    def _embed(self, texts: list[str]) -> list[Embedding]:
        started = perf_counter()
        vectors, pooled = self._embedder.read(texts)
        self.metrics.embedded(len(texts), perf_counter() - started)
        domains = self._prototypes.similarities(vectors)
        return [
            Embedding(array("f", vector.tobytes()), near, means)
            for vector, near, means in zip(vectors, domains, packed(pooled), strict=True)
        ]
