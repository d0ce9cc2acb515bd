"""From trained heads to the folder that serves: an int8 graph that agrees with the torch model, written whole."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from app.artifacts.minilm import ENCODER, POOLED, minilm_path
from app.artifacts.quiet import quiet
from app.classifier.artifact import CARD, FORMAT, GRAPH, MANIFEST, RUN, Manifest
from app.classifier.inputs import TEXT_INPUTS
from app.classifier.model import OUTPUTS, QueryClassifier
from app.digest import sha256
from app.domain import Complexity, Domain
from app.errors import ConfigError
from train.errors import DataError
from train.exact import exact_pooled
from train.features import Features
from train.heads import Heads

AGREEMENT = 0.03  # of P(success), on average
SAMPLE = 200
WHITENING = "whitening"
NAME_CHARACTERS = 48  # of the folder, in the version


def write_graph(heads: Heads, folder: Path) -> None:
    """heads.int8.onnx: weights of 8 bits for each column, except those of the whitening, which has to keep 16.

    Its columns undo small eigenvalues, so that what 8 bits round off is large: P(success) was off by 0.022 with 8 bits,
    by 0.003 with 16.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

    with quiet(), tempfile.TemporaryDirectory() as workshop:
        exact, mixed = Path(workshop) / "heads.onnx", Path(workshop) / "mixed.onnx"
        _export(heads, exact)
        fine = [node.name for node in onnx.load(exact).graph.node if WHITENING in node.input]
        quantize_dynamic(
            exact,
            mixed,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=fine,
        )
        onnx.save(_halved(onnx.load(mixed), WHITENING), folder / GRAPH)


def _export(heads: Heads, graph: Path) -> None:
    names = ("pooled", "text")
    torch.onnx.export(
        heads.eval(),
        (torch.zeros(2, POOLED), torch.zeros(2, TEXT_INPUTS)),
        graph,
        input_names=names,
        output_names=OUTPUTS,
        dynamic_axes={name: {0: "batch"} for name in (*names, *OUTPUTS)},
        opset_version=17,
        dynamo=False,  # the newer exporter needs onnxscript
    )


def _halved(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Stores the weights `name` in 16 bits; the runtime widens them once, when it loads the graph."""
    weights = next(one for one in model.graph.initializer if one.name == name)
    small = numpy_helper.from_array(numpy_helper.to_array(weights).astype(np.float16), f"{name}_16")
    model.graph.initializer.remove(weights)
    model.graph.initializer.append(small)
    model.graph.node.insert(0, onnx.helper.make_node("Cast", [small.name], [name], to=onnx.TensorProto.FLOAT))
    return model


def write_manifest(folder: Path, name: str, models: Sequence[str]) -> Manifest:
    """Names the files that are there; the version is `name` and the first digits of the graph's sha256."""
    hashes = {file: sha256(folder / file) for file in (GRAPH, CARD, RUN) if (folder / file).is_file()}
    manifest = Manifest(
        format=FORMAT,
        version=f"{name[:NAME_CHARACTERS]}-{hashes[GRAPH][:8]}",
        encoder=ENCODER,
        text_inputs=TEXT_INPUTS,
        models=tuple(models),
        complexities=tuple(Complexity),
        domains=tuple(Domain),
        sha256=hashes,
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def disagreement(classifier: QueryClassifier, heads: Heads, texts: Sequence[str], features: Features) -> float:
    """The mean absolute difference of P(success) between what serves (8 bits) and torch (32 bits, encoder included).

    On at most `SAMPLE` of the texts, evenly spread. Raises DataError when it is above `AGREEMENT`.
    """
    lines = np.linspace(0, len(texts) - 1, min(SAMPLE, len(texts))).astype(np.int64)
    some = features[lines]
    served = classifier.figures(some.pooled, some.text)["success"]
    pooled = exact_pooled(minilm_path(), [texts[line] for line in lines])
    difference = float(np.abs(served - heads.figures(pooled, some.text)["success"]).mean())
    if not difference <= AGREEMENT:
        raise DataError(
            f"the int8 graph is off by {difference:.3f} in P(success) on average, allowed is {AGREEMENT}; "
            "the artefact was not written; train with more rows, or another seed"
        )
    return difference


def put_in_place(part: Path, target: Path) -> None:
    """Renames the whole folder `part` to `target`; what was there goes only once the new one is there."""
    previous = target.with_name(f".{target.name}.previous")
    shutil.rmtree(previous, ignore_errors=True)
    try:
        if target.exists():
            target.rename(previous)
        part.rename(target)
    except OSError as error:
        if previous.exists() and not target.exists():
            previous.rename(target)
        raise ConfigError(f"{target}: cannot be written ({error.strerror}); check the folder and its disk") from error
    shutil.rmtree(previous, ignore_errors=True)


def writable(target: Path) -> None:
    """Raises ConfigError when the folder of `target` cannot be written, or `target` is something else than ours."""
    if target.exists() and not (target / MANIFEST).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target}: is there and holds no classifier; give a new or an empty folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ConfigError(f"{target.parent}: cannot be written ({os.strerror(error.errno or 0)})") from error
