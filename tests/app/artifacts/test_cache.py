import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.artifacts.cache import MANIFEST, Artifact, cache_root
from app.artifacts.wheel import Wheel
from app.errors import ConfigError


class Builder:
    """Writes one file, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, folder: Path) -> None:
        self.runs += 1
        (folder / "weights").write_text(f"run {self.runs}")


def _artifact(build: Callable[[Path], None]) -> Artifact:
    return Artifact("toy", Wheel("toy-weights", "1.0", "0" * 64), packages=("pytest",), layout=1, build=build)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_ROUTER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_is_in_the_home_folder_unless_told(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    assert cache_root() == root

    monkeypatch.delenv("LLM_ROUTER_CACHE")
    assert cache_root() == Path.home() / ".cache" / "llm-router"


def test_a_folder_is_built_once() -> None:
    build = Builder()
    artifact = _artifact(build)
    assert not artifact.is_current()

    first, second = artifact.ensure(), artifact.ensure()

    assert build.runs == 1
    assert first == second == artifact.path
    assert (first / "weights").read_text() == "run 1"
    assert json.loads((first / MANIFEST).read_text()).keys() == {"wheel", "sha256", "layout", "pytest"}


@pytest.mark.parametrize("change", [{"layout": 2}, {"packages": ()}, {"wheel": Wheel("toy-weights", "1.1", "0" * 64)}])
def test_another_recipe_replaces_the_folder(change: dict[str, object]) -> None:
    build = Builder()
    _artifact(build).ensure()

    path = replace(_artifact(build), **change).ensure()  # type: ignore[arg-type]

    assert (path / "weights").read_text() == "run 2"


def test_an_interrupted_build_leaves_no_folder(root: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _artifact(interrupted).ensure()

    assert not any(entry.is_dir() for entry in root.iterdir())


def test_a_failed_renewal_keeps_the_old_folder() -> None:
    def failing(_: Path) -> None:
        raise ConfigError("no wheel")

    path = _artifact(Builder()).ensure()

    with pytest.raises(ConfigError, match="no wheel"):
        replace(_artifact(failing), layout=2).ensure()
    assert (path / "weights").read_text() == "run 1"


def test_what_a_killed_build_left_behind_is_swept(root: Path) -> None:
    leftover = root / ".toy.part-killed"
    leftover.mkdir(parents=True)

    _artifact(Builder()).ensure()

    assert not leftover.exists()


def test_files_are_readable_for_everybody() -> None:
    def private(folder: Path) -> None:
        (folder / "weights").touch(mode=0o600)

    assert (_artifact(private).ensure() / "weights").stat().st_mode & 0o777 == 0o644


def test_a_root_that_cannot_be_written_is_a_config_error(root: Path) -> None:
    root.write_text("a file, not a folder")

    with pytest.raises(ConfigError, match=r"toy: cannot be made .* LLM_ROUTER_CACHE"):
        _artifact(Builder()).ensure()


def _slowly(folder: Path) -> None:
    with (folder.parent.parent.parent / "runs").open("a") as runs:
        runs.write("x")
    time.sleep(0.3)


def test_two_processes_build_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_artifact(_slowly).ensure) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=30)

    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "runs").read_text() == "x"
