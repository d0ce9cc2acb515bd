"""python -m app.artifacts: makes every model folder that the router needs and this machine does not have yet."""

import sys
import time

from app.artifacts.cache import Artifact, cache_root
from app.artifacts.llama import LLAMA
from app.artifacts.minilm import MINILM
from app.errors import ConfigError

_ARTIFACTS = (MINILM, LLAMA)


def main() -> int:
    print(f"model files in {cache_root()}", flush=True)
    try:
        for number, artifact in enumerate(_ARTIFACTS, start=1):
            print(f"[{number}/{len(_ARTIFACTS)}] {artifact.name} ... ", end="", flush=True)
            print(_ensure(artifact), flush=True)
    except ConfigError as error:
        print(f"failed\nerror: {error.message}", flush=True)
        return 1
    return 0


def _ensure(artifact: Artifact) -> str:
    if artifact.is_current():
        return "up to date"
    start = time.monotonic()
    artifact.ensure()
    return f"made in {time.monotonic() - start:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
