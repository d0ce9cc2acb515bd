"""vLLM's own server with the embedded model. It speaks OpenAI's and Anthropic's API."""

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.artifacts.llama import ensure_llama_weights
from tests.servers.process import check_alive, free_port, running, wait_until

START_S = 180.0
MODEL = "smollm2"
VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


@contextmanager
def running_vllm(folder: Path) -> Iterator[str]:
    """The address of a server that is ready, with the model `smollm2`."""
    port, log = free_port(), folder / "vllm.log"
    url = f"http://127.0.0.1:{port}"
    server = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port)]
    served = ["--model", str(ensure_llama_weights()), "--served-model-name", MODEL, "--dtype", "bfloat16"]
    limits = ["--max-model-len", "2048", "--enforce-eager", "--max-num-seqs", "16"]
    with running([*server, *served, *limits], log, VARIABLES) as process:

        def healthy() -> bool:
            check_alive(process, log)
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=2):
                    return True
            except OSError:
                return False

        wait_until(healthy, START_S, "vLLM")
        yield url
