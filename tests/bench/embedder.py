"""python -m tests.bench.embedder: milliseconds a text, the router's encoder beside the reference, one thread each."""

import statistics
import time
from collections.abc import Callable

import torch
from sentence_transformers import SentenceTransformer

from app.artifacts.minilm import ensure_minilm
from app.memory.embedder import MiniLMEmbedder

_WORDS = "the router picks a model for this question and keeps notes on cost and speed so that it can learn"
_ROUNDS = 40


def main() -> None:
    folder = ensure_minilm()
    torch.set_num_threads(1)
    reference = SentenceTransformer(str(folder), device="cpu")
    texts = [f"{_WORDS} {number}" for number in range(10, 42)]
    print(f"word pieces a text: {len(reference.tokenizer(texts[0])['input_ids'])}")
    encoders: dict[str, Callable[[list[str]], object]] = {
        "onnx int8": MiniLMEmbedder(folder).embed,
        "torch": reference.encode,
    }
    for name, embed in encoders.items():
        figures = [f"{size} texts {_median_ms(embed, texts[:size]) / size:6.2f}" for size in (1, 16, 32)]
        print(f"{name:10} ms a text, p50:  {'   '.join(figures)}")


def _median_ms(embed: Callable[[list[str]], object], texts: list[str]) -> float:
    embed(texts)
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        embed(texts)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main()
