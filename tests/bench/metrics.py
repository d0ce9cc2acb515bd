"""What metrics cost: microseconds to record a request, milliseconds to show ten replicas.

python -m tests.bench.metrics
"""

import pickle
import time
from collections.abc import Callable

from app.completion import Usage
from app.domain import Candidate, Cause, Decision, Domain, Stage
from app.observability.collected import Collected
from app.observability.exposition import render, snapshot
from app.observability.labels import CacheKind, Endpoint
from app.observability.metrics import Metrics

MODELS = [f"model-{number}" for number in range(8)]
REPLICAS = 10
USAGE = Usage(input_tokens=100, output_tokens=300)
DECISIONS = {
    model: Decision("r", (Candidate(model, 1.0, {}, None),), Cause.SCORED, 1.0, Domain.GENERAL, "1") for model in MODELS
}


def main() -> None:
    metrics = Metrics(MODELS)
    for model in MODELS:
        for endpoint in (Endpoint.CHAT, Endpoint.COMPLETIONS):
            record(metrics, model, endpoint)
    print(f"record a request:           {1000 * milliseconds(lambda: record(metrics, 'model-0'), 20_000):.1f} us")

    registry = metrics.registry
    snapshots = [snapshot(registry, "Ingress", str(number)) for number in range(REPLICAS)]
    print(f"snapshot of a replica:      {milliseconds(lambda: snapshot(registry, 'Ingress', '0'), 20):.1f} ms")
    print(f"its size, pickled:          {len(pickle.dumps(snapshots[0])) / 1000:.0f} kB")
    text = render(snapshots)
    print(f"render {REPLICAS} replicas:         {milliseconds(lambda: render(snapshots), 20):.1f} ms")
    print(f"the text:                   {len(text) / 1000:.0f} kB, {len(text.splitlines())} lines")

    collected = Collected()
    collected.update(snapshots)
    print(f"series of {REPLICAS} places:        {milliseconds(collected.snapshots, 20):.1f} ms")
    print(f"save {REPLICAS} replicas:           {milliseconds(collected.saved, 20):.1f} ms")
    print(f"saved:                      {len(collected.saved()) / 1000:.0f} kB")


def record(metrics: Metrics, model: str, endpoint: Endpoint = Endpoint.CHAT) -> None:
    """A scored, streamed request with five stages and a cache that had nothing."""
    metrics.cache_miss(CacheKind.EXACT)
    metrics.stage("features", 0.0002)
    metrics.stage(Stage.EMBEDDING, 0.004)
    metrics.stage("decision", 0.006)
    metrics.stage("model", 0.8)
    metrics.stage("storage", 0.001)
    metrics.decided(DECISIONS[model])
    metrics.first_token(model, 0.2)
    metrics.completed(model, endpoint, 0.9, USAGE, 0.002)


def milliseconds(call: Callable[[], object], times: int) -> float:
    """Of CPU, in the best of five rounds: other processes do not count."""
    rounds = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - start) / times * 1000)
    return min(rounds)


if __name__ == "__main__":
    main()
