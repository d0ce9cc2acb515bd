"""Classifier: difficulty, domain and P(success) of each model; another artefact by `user_config`, without a restart."""

import asyncio
import logging as std_logging
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from time import perf_counter
from typing import Any

from app.classifier.inputs import Reading
from app.classifier.live import LiveClassifier
from app.domain import Prediction
from app.errors import ConfigError
from app.observability import logging
from app.observability.metrics import Metrics
from app.settings import read_settings
from deployments.args import RouterArgs
from deployments.garbage import collect_less
from deployments.metrics import Measured

logger = std_logging.getLogger(__name__)


class Classifier(Measured):
    """Predicts for lists of queries on one thread, so that the replica's event loop stays free."""

    def __init__(self, args: RouterArgs) -> None:
        logging.configure(read_settings())
        collect_less()
        self.metrics = Metrics()
        self._live = LiveClassifier(args.classifier_threads)
        self._thread = ThreadPoolExecutor(1)
        self._one_at_a_time = asyncio.Lock()

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        async with self._one_at_a_time:  # an older artefact that takes longer must not replace a newer one
            await asyncio.to_thread(self._reload, user_config)

    async def predict(self, readings: list[Reading]) -> list[Prediction]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._predict, readings)

    def _reload(self, user_config: dict[str, Any]) -> None:
        """Serve shows nobody why a replica does not start; what is logged, Ray forwards to the terminal."""
        try:
            self._live.reload(user_config, "serve_config.yaml: deployments.Classifier.user_config")
        except ConfigError as error:
            logger.error("the classifier cannot start: %s", error)
            raise
        self.metrics.build_info(version("llm-router"), None, self._live.version)

    def _predict(self, readings: list[Reading]) -> list[Prediction]:
        started = perf_counter()
        predictions = self._live.predict(readings)
        self.metrics.classified(len(readings), perf_counter() - started)
        return predictions
