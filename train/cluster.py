"""The Ray cluster that training runs on: the one that serves on this machine, or one of its own."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from app.errors import ConfigError
from train.features import FeatureReader, Features

SHARD = 256
TOKEN = "~/.ray/auth_token"


@contextmanager
def cluster(cpus: float, gpus: float = 0.0, *, options: str = "--workers or --cpus-per-worker") -> Iterator[None]:
    """Joins RAY_ADDRESS, else a cluster that runs on this machine, else starts one for the time being.

    `cpus` and `gpus` are what training books in all. Raises ConfigError, naming the `options` that book them, when the
    cluster has not as many.
    """
    if (Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN)).expanduser().is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # before Ray is imported, which chooses then
    import ray

    address = os.environ.get("RAY_ADDRESS") or _running()
    try:
        ray.init(address=address, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ConfigError(f"RAY_ADDRESS={address}: no Ray cluster answers there") from error
    try:
        total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        for name, wanted in (("CPU", cpus), ("GPU", gpus)):
            if wanted > total.get(name, 0.0):
                raise ConfigError(
                    f"training wants {wanted:g} {name} in all, the cluster has {total.get(name, 0.0):g}; "
                    f"lower {options}"
                )
        yield
    finally:
        ray.shutdown()


def _running() -> str:
    """The address of the one cluster that runs on this machine, as of a router that serves, else "local"."""
    from ray._private.services import find_gcs_addresses  # there is no public way to ask

    found = sorted(find_gcs_addresses())  # type: ignore[no-untyped-call]
    if len(found) > 1:
        raise ConfigError(f"several Ray clusters run here ({', '.join(found)}); name one by RAY_ADDRESS, or local")
    return found[0] if found else "local"


def read_on_cluster(texts: Sequence[str], workers: int, cpus: float) -> Features:
    """Features of the texts by `workers` tasks that book `cpus` each, with a progress bar."""
    import ray

    shards = [texts[start : start + SHARD] for start in range(0, len(texts), SHARD)]
    task = ray.remote(num_cpus=cpus, max_retries=2)(_read)
    waiting = list(enumerate(shards))
    running: dict[Any, int] = {}
    found: dict[int, Features] = {}
    with tqdm(total=len(texts), desc="reading texts", unit="text") as bar:
        while waiting or running:
            while waiting and len(running) < workers:
                number, shard = waiting.pop(0)
                running[task.remote(shard)] = number
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                number = running.pop(reference)
                found[number] = ray.get(reference)
                bar.update(len(shards[number]))
    return Features.joined([found[number] for number in sorted(found)])


def _read(texts: Sequence[str]) -> Features:
    return FeatureReader().read(texts)
