"""The classifier: what the encoder's layers and the text say of a query, on ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from app.artifacts.minilm import POOLED
from app.classifier.artifact import GRAPH, Manifest, read_manifest
from app.classifier.inputs import TEXT_INPUTS, Inputs
from app.domain import Prediction
from app.errors import ConfigError
from app.memory.embedder import session_options

Figures = NDArray[np.float32]
OUTPUTS = ("complexity", "difficulty", "domain", "success", "support", "length")
SHORTEST = 0.5  # tokens; less means that the length is not known


class QueryClassifier:
    """Safe to call from several threads. Raises ConfigError when `folder` holds no whole and fitting classifier."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.manifest: Manifest = read_manifest(folder)
        try:
            self._session: Any = onnxruntime.InferenceSession(
                folder / GRAPH, session_options(threads), ["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise ConfigError(f"{folder / GRAPH}: is no graph that can be run ({error}); train it anew") from error
        self._try(folder)

    @property
    def version(self) -> str:
        return self.manifest.version

    def figures(self, pooled: Inputs, text: Inputs) -> dict[str, Figures]:
        """`pooled` (n, POOLED) and `text` (n, TEXT_INPUTS) to figures, each (n, columns), all but length from 0 to 1.

        complexity: P(level); difficulty: the share of models that is expected to fail, one column; domain: P(domain);
        success: P(model answers well); support: how far the model's outcomes cover such queries; length: expected
        tokens of the model's answer, below `SHORTEST` where that is not known. Columns as in the manifest.
        """
        found: list[Figures] = self._session.run(OUTPUTS, {"pooled": pooled, "text": text})
        return dict(zip(OUTPUTS, found, strict=True))

    def predict(self, pooled: Inputs, text: Inputs) -> list[Prediction]:
        """One a line."""
        found = {name: values.tolist() for name, values in self.figures(pooled, text).items()}
        return [self._prediction([found[name][line] for name in OUTPUTS]) for line in range(len(pooled))]

    def _prediction(self, line: Sequence[list[float]]) -> Prediction:
        complexity, difficulty, domain, success, support, length = line
        manifest = self.manifest
        domains = dict(zip(manifest.domains, domain, strict=True))
        return Prediction(
            success=dict(zip(manifest.models, success, strict=True)),
            complexity=difficulty[0],
            domain=max(domains, key=lambda one: domains[one]),
            version=manifest.version,
            levels=dict(zip(manifest.complexities, complexity, strict=True)),
            domains=domains,
            support=dict(zip(manifest.models, support, strict=True)),
            output_tokens={
                model: tokens for model, tokens in zip(manifest.models, length, strict=True) if tokens >= SHORTEST
            },
        )

    def _try(self, folder: Path) -> None:
        """A graph that runs, with the columns that the manifest names, and figures that are what they should be."""
        models, levels = len(self.manifest.models), len(self.manifest.complexities)
        columns = dict(zip(OUTPUTS, (levels, 1, len(self.manifest.domains), models, models, models), strict=True))
        for lines in (1, 2):  # a graph that is fixed to one length must not pass
            blank = np.zeros((lines, POOLED), np.float32), np.zeros((lines, TEXT_INPUTS), np.float32)
            try:
                found = self.figures(*blank)
            except Exception as error:
                raise ConfigError(
                    f"{folder / GRAPH}: does not take this router's inputs ({error}); train the classifier anew"
                ) from error
            for name, values in found.items():
                most = np.finfo(np.float32).max if name == "length" else 1
                if values.shape != (lines, columns[name]) or not ((values >= 0) & (values <= most)).all():
                    raise ConfigError(
                        f"{folder / GRAPH}: {name} has shape {values.shape} or values out of range, "
                        f"expected ({lines}, {columns[name]}); train the classifier anew"
                    )
