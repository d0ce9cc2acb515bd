"""python -m tests.bench.classifier [--artifact FOLDER]: milliseconds from a text to its prediction, on one thread.

Each part by itself and all together, as the deployments run them, beside the bars of the design; and the encoder in
torch, in single precision.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

from app.artifacts.llama import ensure_llama_weights
from app.artifacts.minilm import ensure_minilm
from app.artifacts.quiet import quiet
from app.classifier.inputs import Inputs, packed, stacked, unpacked
from app.classifier.model import QueryClassifier
from app.memory.embedder import MiniLMEmbedder
from app.paths import project_path
from app.routing.features import TextFeaturesReader

QUERY = "How do I merge two sorted lists in Python without sorting them again, and what does it cost in time?"
ROUNDS, WARM = 100, 5
BARS_MS = {1: 4.0, 16: 2.5}  # a query, by the size of the batch


class Served:
    """The parts of the router that a query passes."""

    def __init__(self, artefact: Path) -> None:
        tokenizer = ensure_llama_weights() / "tokenizer.json"
        self._reader = TextFeaturesReader.from_files(tokenizer, project_path("configs/text_features.yaml"))
        self._embedder = MiniLMEmbedder(ensure_minilm())
        self.classifier = QueryClassifier(artefact)

    def pooled(self, texts: Sequence[str]) -> Inputs:
        """With the way between deployments."""
        return unpacked(packed(self._embedder.read(texts)[1]))

    def inputs(self, texts: Sequence[str]) -> Inputs:
        return stacked(texts, [self._reader.read(text) for text in texts])

    def all(self, texts: Sequence[str]) -> object:
        return self.classifier.predict(self.pooled(texts), self.inputs(texts))


class Reference:
    """The encoder as published, in torch."""

    def __init__(self) -> None:
        folder = ensure_minilm()
        with quiet():
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def pieces(self, text: str) -> int:
        return len(self._tokenizer(text)["input_ids"])

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> object:
        return self._model(**self._tokenizer(list(texts), return_tensors="pt"), output_hidden_states=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.classifier")
    parser.add_argument("--artifact", type=Path, default=project_path("configs/classifier"), metavar="FOLDER")
    served, reference = Served(parser.parse_args().artifact), Reference()
    torch.set_num_threads(1)
    print(f"classifier {served.classifier.version}; {reference.pieces(QUERY)} word pieces; p50 of {ROUNDS}, ms a query")
    for size, bar_ms in BARS_MS.items():
        texts = [QUERY] * size
        read = served.pooled(texts), served.inputs(texts)
        ms = _ms(
            {
                "all": lambda texts=texts: served.all(texts),
                "tokenizer and encoder": lambda texts=texts: served.pooled(texts),
                "text features and inputs": lambda texts=texts: served.inputs(texts),
                "heads": lambda read=read: served.classifier.predict(*read),
                "encoder in torch, fp32": lambda texts=texts: reference.encode(texts),
            }
        )
        ms = {name: one / size for name, one in ms.items()}
        ratio = ms["encoder in torch, fp32"] / ms["tokenizer and encoder"]
        print(f"batch of {size}: {'within' if ms['all'] <= bar_ms else 'ABOVE'} the bar of {bar_ms}")
        print("\n".join(f"  {name:<25} {one:6.2f}" for name, one in ms.items()) + f", {ratio:.1f} times as long")


def _ms(parts: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """In turn, so that what else the machine does hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(WARM + ROUNDS):
        for name, work in parts.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken[WARM:]) * 1000 for name, taken in times.items()}


if __name__ == "__main__":
    main()
