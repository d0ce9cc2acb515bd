"""Which models cannot be called at all now, and why."""

from collections.abc import Mapping

from app.domain import Provider
from app.models.breaker import Breakers
from app.models.catalogue import Catalogue
from app.models.local import LocalBackend

NO_KEY = "no_key"


class Availability:
    """Keys are looked at once, at start; the local backend and the breakers are asked each time."""

    def __init__(
        self, catalogue: Catalogue, variables: Mapping[str, str], backend: LocalBackend, breakers: Breakers
    ) -> None:
        specs = catalogue.models.values()
        self._backend = backend
        self._breakers = breakers
        self._local = tuple(spec.id for spec in specs if spec.provider is Provider.LOCAL)
        self._without_key = {
            spec.id: f"{NO_KEY}:{spec.key_name}" for spec in specs if spec.key_name and not variables.get(spec.key_name)
        }

    def unavailable(self) -> Mapping[str, str]:
        """The reason by model id; a model that is not named can be called."""
        reason = self._backend.unavailable() if self._local else None
        local = dict.fromkeys(self._local, reason) if reason else {}
        return {**self._breakers.blocked(), **local, **self._without_key}
