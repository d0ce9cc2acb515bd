"""The classifier in use, and how another one takes its place."""

import logging
from collections.abc import Sequence

from app.classifier.artifact import ClassifierConfig
from app.classifier.inputs import Reading, stacked, unpacked
from app.classifier.model import QueryClassifier
from app.domain import Prediction
from app.errors import ConfigError

logger = logging.getLogger(__name__)


class LiveClassifier:
    """Holds one QueryClassifier. A reload builds the next one beside it, and swaps them only when that one is whole.

    `predict` and `reload` may run in different threads. `threads` work on one batch.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._live: QueryClassifier | None = None

    @property
    def version(self) -> str | None:
        """None before the first `reload`."""
        return self._live.version if self._live else None

    def reload(self, user_config: object, where: str) -> None:
        """Takes the artefact that `user_config` names; a broken one is refused, and the live one goes on.

        Raises ConfigError when there is none to go on with.
        """
        live = self._live
        try:
            self._live = QueryClassifier(ClassifierConfig.read(user_config, where).folder, self._threads)
        except ConfigError as error:
            if live is None:
                raise
            logger.error("classifier refused, version %s goes on: %s", live.version, error)
            return
        logger.info("classifier %s is live", self._live.version)

    def predict(self, readings: Sequence[Reading]) -> list[Prediction]:
        """One for each reading, all by the classifier that is live now. Raises ConfigError when there is none."""
        live = self._live
        if live is None:
            raise ConfigError("Classifier has no user_config in serve_config.yaml")
        pooled = unpacked([reading.pooled for reading in readings])
        text = stacked([reading.text for reading in readings], [reading.features for reading in readings])
        return live.predict(pooled, text)
