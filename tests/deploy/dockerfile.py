"""kuberay/Dockerfile as data."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.paths import PROJECT, project_path

DOCKERFILE = project_path("kuberay/Dockerfile")


@dataclass(frozen=True)
class Stage:
    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, instruction: str) -> list[str]:
        return [text for name, text in self.instructions if name == instruction]


def stages() -> dict[str, Stage]:
    """By name, in order."""
    found: dict[str, Stage] = {}
    for instruction, text in _instructions(DOCKERFILE.read_text()):
        if instruction == "FROM":
            base, _, name = text.partition(" AS ")
            found[name] = Stage(name, base, ())
        elif found:
            name, stage = list(found.items())[-1]
            found[name] = Stage(stage.name, stage.base, (*stage.instructions, (instruction, text)))
    return found


def lineage(target: str, models: str = "baked") -> list[Stage]:
    """What the image `target` is made of: the stage and those that it is built upon."""
    known = stages()
    stage, line = known[target], []
    while True:
        line.append(stage)
        base = stage.base.replace("${MODELS}", models)
        if base not in known:
            return line
        stage = known[base]


def variables(line: Sequence[Stage]) -> dict[str, str]:
    """ENV of the image."""
    pairs = [pair.partition("=") for stage in reversed(line) for text in stage.all("ENV") for pair in shlex.split(text)]
    return {name: value for name, _, value in pairs}


def copied(line: Sequence[Stage]) -> list[str]:
    """What comes from the project's folder."""
    given = [shlex.split(text) for stage in line for text in stage.all("COPY")]
    return [source for words in given if not words[0].startswith("--from") for source in words[:-1]]


def ignored(path: str) -> bool:
    """By .dockerignore, whose later lines overrule: everything, then what is let through."""
    hidden = False
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").strip()
        if pattern and not line.startswith("#") and (pattern == "*" or path.split("/")[0] == pattern):
            hidden = not line.startswith("!")
    return hidden


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name:
            yield name, rest.strip()
