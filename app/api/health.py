"""Is the router well: from what is known, without asking anybody, so that it answers when the others hang."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.api import views
from app.chat import ChatService
from app.remembering import Remembering
from app.storage.recorder import Recorder
from app.storage.writer import RecorderStatus


@dataclass(frozen=True, slots=True)
class Health:
    service: ChatService
    recorder: Recorder
    remembering: Remembering
    version: str

    def answer(self, *, whole: bool) -> dict[str, Any]:
        """No more than the status where it is not to be told whole."""
        router, storage = self.service.router, self.recorder.status()
        well = len(router.unavailable()) < len(router.catalogue.models) and storage.state == "ok"
        return {
            "status": "ok" if well else "degraded",
            "version": self.version if whole else None,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "services": self._services(storage) if whole else {},
        }

    def _services(self, storage: RecorderStatus) -> dict[str, Any]:
        router, chain = self.service.router, self.service.chain
        return {
            "models": views.available(list(router.catalogue.models), router.unavailable(), chain.last_success),
            "breakers": views.not_closed(chain.safeguards.breakers),
            "storage": storage,
            "cache": self.service.caching.status(),
            "classifier": router.classifier,
            "memory": self.remembering.status(),
        }
