"""What things take. Measured ones come from `python -m tests.bench.scaling.measure`; the others say so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Seconds of a replica's only thread, unless the name says otherwise.

    A batch costs what its hops cost whatever it carries, and more for each query: measured with batches of one and of
    about seven, and for the pieces with queries of 17 and of 256 word pieces.
    """

    # Ingress, a request that is cached, passed, decided by rules, scored; and what share of the thread a stream of 40
    # pieces/s takes, as a piece costs 0.095 ms.
    ingress: tuple[float, float, float, float] = (0.0009, 0.0012, 0.0010, 0.0013)
    stream: float = 0.0038
    ingress_batch: float = 0.0030
    engine_receive: float = 0.0022
    engine_ask: float = 0.0033
    engine_score: float = 0.0004
    extractor_batch: float = 0.0030
    extractor_query: float = 0.0010
    extractor_piece: float = 0.000088
    classifier_batch: float = 0.0027
    classifier_query: float = 0.0002
    retriever_batch: float = 0.0049
    retriever_query: float = 0.0013
    # Assumed, as no GPU was at hand: an 8B model that gives a lone stream 40 tokens/s, and 64 at once half of that.
    llama_first_token: float = 0.15
    llama_tokens_per_s: float = 40.0
    llama_half_speed_at: int = 64
    # From Serve's decision to the replica that answers, on a pod that is there: 2.1 to 3.4 s were measured.
    replica_start: float = 4.0
    llama_start: float = 90.0  # assumed, with the weights in a volume
    pod_start: float = 60.0  # assumed, on a node that has the image; minutes where a machine has to come first
    pod_idle: float = 300.0  # idleTimeoutSeconds in kuberay/base/rayservice.yaml
