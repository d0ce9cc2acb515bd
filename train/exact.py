"""The encoder in torch, 32 bits: what the int8 graph is held against."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from app.artifacts.minilm import LAYERS
from app.artifacts.quiet import quiet
from app.memory.embedder import MAX_WORD_PIECES
from train.features import Array32


@torch.no_grad()
def exact_pooled(folder: Path, texts: Sequence[str]) -> Array32:
    """The means of the middle layers, (len(texts), POOLED), one text at a time."""
    from transformers import AutoModel

    with quiet():
        bert = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_WORD_PIECES)
    tokenizer.no_padding()
    lines = []
    for text in tokenizer.encode_batch(list(texts)):
        layers = bert(torch.tensor([text.ids]), output_hidden_states=True).hidden_states
        lines.append(torch.cat([layers[layer][0].mean(0) for layer in LAYERS]).numpy())
    return np.array(lines, np.float32)
