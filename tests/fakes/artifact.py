"""A classifier artefact as training writes it, of one linear layer a head: small, quick, and about as it is told."""

import hashlib
import json
from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save

from app.artifacts.minilm import ENCODER, POOLED
from app.classifier.artifact import FORMAT, GRAPH, MANIFEST
from app.classifier.inputs import TEXT_INPUTS
from app.domain import Complexity, Domain

SPREAD = 0.01  # of random weights: enough to move figures with the query, too little to turn them over
SURE = 5.0  # a logit
FITTING = {
    "format": FORMAT,
    "encoder": ENCODER,
    "text_inputs": TEXT_INPUTS,
    "complexities": list(Complexity),
    "domains": list(Domain),
}

Floats = NDArray[np.float64]


def make_artifact(
    folder: Path,
    success: Mapping[str, float],
    *,
    support: float = 0.8,
    difficulty: float = 0.4,
    domain: Domain = Domain.SCIENCE,
    version: str = "fake-1",
    tokens: float = 100.0,
    fixed_lines: int | None = None,
    **manifest: Any,
) -> Path:
    """Figures come out near those given. `manifest` replaces fields of manifest.json; `fixed_lines`: the only n."""
    folder.mkdir(parents=True)
    biases = {
        "complexity": np.zeros(len(Complexity)),
        "difficulty": _logits([difficulty]),
        "domain": np.array([SURE if each is domain else 0.0 for each in Domain]),
        "success": _logits([*success.values()]),
        "support": _logits([support] * len(success)),
        "length": np.full(len(success), log(tokens)),
    }
    save(_graph(biases, fixed_lines or "n"), folder / GRAPH)
    _write_manifest(folder, {**FITTING, "version": version, "models": list(success), **manifest})
    return folder


def sign(folder: Path) -> None:
    """Writes the hash of the graph as it is now into the manifest."""
    _write_manifest(folder, json.loads((folder / MANIFEST).read_text()))


def _write_manifest(folder: Path, content: dict[str, Any]) -> None:
    hashed = hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(content | {"sha256": {GRAPH: hashed}}))


def _logits(figures: list[float]) -> Floats:
    return np.array([log(figure / (1 - figure)) for figure in figures])


def _graph(biases: Mapping[str, Floats], lines: int | str) -> Any:
    random = np.random.default_rng(7)
    nodes, weights, outputs = [helper.make_node("Concat", ["pooled", "text"], ["all"], axis=1)], [], []
    for name, bias in biases.items():
        layer = random.normal(0, SPREAD, (POOLED + TEXT_INPUTS, len(bias)))
        weights += [numpy_helper.from_array(layer.astype(np.float32), f"{name}.w")]
        weights += [numpy_helper.from_array(bias.astype(np.float32), f"{name}.b")]
        nodes.append(helper.make_node("Gemm", ["all", f"{name}.w", f"{name}.b"], [f"{name}.logits"]))
        shape = {"complexity": "Softmax", "domain": "Softmax", "length": "Exp"}.get(name, "Sigmoid")
        nodes.append(helper.make_node(shape, [f"{name}.logits"], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [lines, len(bias)]))
    inputs = [
        helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [lines, POOLED]),
        helper.make_tensor_value_info("text", TensorProto.FLOAT, [lines, TEXT_INPUTS]),
    ]
    graph = helper.make_graph(nodes, "heads", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
