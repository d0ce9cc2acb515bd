"""A classifier on disk: a folder that is whole and fits this router, or is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from app.artifacts.minilm import ENCODER
from app.classifier.inputs import TEXT_INPUTS
from app.digest import sha256
from app.domain import Complexity, Domain
from app.errors import ConfigError
from app.paths import project_path
from app.strict import Strict
from app.yaml_file import validate

FORMAT: Literal[2] = 2
MANIFEST, GRAPH, CARD, RUN = "manifest.json", "heads.int8.onnx", "README.md", "run.json"


class ClassifierConfig(Strict):
    """`user_config` of the Classifier. `artifact` is a folder; a relative path is taken from the project's."""

    artifact: Annotated[str, Field(min_length=1)]

    @property
    def folder(self) -> Path:
        return project_path(self.artifact)

    @classmethod
    def read(cls, user_config: object, where: str) -> Self:
        """Raises ConfigError naming `where` and the key."""
        return validate(user_config, cls, where)


class Manifest(Strict):
    """What a folder says of itself. `encoder` names the layers that the graph was trained on."""

    format: Literal[2]
    version: Annotated[str, Field(min_length=1, max_length=64)]
    encoder: str
    text_inputs: int
    models: tuple[str, ...]
    complexities: tuple[Complexity, ...]
    domains: tuple[Domain, ...]
    sha256: Mapping[str, str]


def read_manifest(folder: Path) -> Manifest:
    """Raises ConfigError when the folder is no classifier, is broken, or was made for another router."""
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a folder that training made") from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise ConfigError(f"{path}: {key}: {fault['msg']}; train it anew with this version of the router") from error
    for name, expected, given in (
        ("encoder", ENCODER, manifest.encoder),
        ("text_inputs", TEXT_INPUTS, manifest.text_inputs),
        ("complexities", tuple(Complexity), manifest.complexities),
        ("domains", tuple(Domain), manifest.domains),
    ):
        if given != expected:
            raise ConfigError(
                f"{path}: {name} is {_shown(given)}, this router has {_shown(expected)}; train the classifier anew"
            )
    _check_files(folder, manifest)
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    if GRAPH not in manifest.sha256:
        raise ConfigError(f"{folder / MANIFEST}: sha256 does not name {GRAPH}; train the classifier anew")
    for name, expected in manifest.sha256.items():
        try:
            actual = sha256(folder / name)
        except OSError as error:
            raise ConfigError(f"{folder / name}: cannot be read ({error.strerror}); copy the whole folder") from error
        if actual != expected:
            raise ConfigError(f"{folder / name}: its sha256 is not that of {MANIFEST}; copy the whole folder again")


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
