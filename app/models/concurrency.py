"""How many calls of a model may be under way at once."""

from collections import Counter
from collections.abc import Mapping
from typing import Self

from app.errors import ModelBusy
from app.models.catalogue import Catalogue

RETRY_AFTER_S = 1.0


class Concurrency:
    """`limits` by model id, None for none; in each ingress replica. `refused` counts calls that were not made."""

    def __init__(self, limits: Mapping[str, int | None]) -> None:
        self._limits = limits
        self._under_way: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    @classmethod
    def of(cls, catalogue: Catalogue) -> Self:
        return cls({id_: spec.max_concurrent_requests for id_, spec in catalogue.models.items()})

    def enter(self, model: str) -> None:
        """Raises ModelBusy at the limit. Whoever enters leaves, once."""
        limit = self._limits.get(model)
        if limit is not None and self._under_way[model] >= limit:
            self.refused[model] += 1
            raise ModelBusy(f"{model}: {limit} requests are under way, its limit", retry_after_s=RETRY_AFTER_S)
        self._under_way[model] += 1

    def leave(self, model: str) -> None:
        self._under_way[model] -= 1
