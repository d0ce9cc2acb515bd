"""What neighbours say of a query: each counts for what it is similar, recent and certain."""

from collections import defaultdict
from collections.abc import Sequence

from app.domain import Recollection
from app.memory.history.config import MemoryConfig
from app.memory.history.memory import Neighbour

DAY_S = 86_400.0


def recollect(neighbours: Sequence[Neighbour], config: MemoryConfig) -> Recollection:
    """A neighbour weighs (cosine - floor) / (1 - floor) x 0.5^(age / half life), its outcome that times its certainty.

    By model: success is the mean by these weights, the sample size their sum; neighbours below the floor do not count.
    """
    near = [one for one in neighbours if one.similarity > config.similarity_floor]
    weights: defaultdict[str, float] = defaultdict(float)
    successes: defaultdict[str, float] = defaultdict(float)
    lengths: defaultdict[str, list[int]] = defaultdict(list)
    for one in near:
        weight = _nearness(one, config)
        for outcome in one.outcomes:
            if outcome.success is not None:
                weights[outcome.model] += weight * outcome.certainty
                successes[outcome.model] += weight * outcome.certainty * outcome.success
            if outcome.output_tokens is not None:
                lengths[outcome.model].append(outcome.output_tokens)
    known = {model: weight for model, weight in weights.items() if weight > 0}
    return Recollection(
        success={model: successes[model] / weight for model, weight in known.items()},
        sample_size=known,
        output_tokens={model: sum(tokens) / len(tokens) for model, tokens in lengths.items()},
        neighbours=len(near),
    )


def _nearness(one: Neighbour, config: MemoryConfig) -> float:
    similar = (min(one.similarity, 1.0) - config.similarity_floor) / (1 - config.similarity_floor)
    recent: float = 0.5 ** (one.age_s / (config.half_life_days * DAY_S))
    return similar * recent
