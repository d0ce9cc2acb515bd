"""YAML files validated by a pydantic model, with errors that name the file and the key."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from app.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Schema = dict[str, Any]


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Raises ConfigError when the file is missing, is not YAML, or does not fit `model`."""
    return validate(load_yaml(path), model, str(path))


def load_yaml(path: Path) -> object:
    """Raises ConfigError when the file is missing or is not YAML."""
    try:
        data: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid YAML: {error}") from error
    return data


def validate(data: object, model: type[Model], where: str) -> Model:
    """Raises ConfigError with one line per fault, each naming `where` and the key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(error, model, where))) from error


def _lines(error: ValidationError, model: type[BaseModel], where: str) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"]) or "(top level)"
        if fault["type"] == "extra_forbidden":
            allowed = _siblings(model, fault["loc"])
            lines.append(f"{where}: {key}: unknown key; allowed here: {', '.join(allowed)}")
        else:
            lines.append(f"{where}: {key}: {fault['msg']} (given: {str(fault['input'])[:80]})")
    return lines


def _siblings(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that `model` allows at the place of the unknown key."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    node: Schema = schema
    for part in location[:-1]:
        node = _step(_resolve(node, definitions), part)
    return sorted(_resolve(node, definitions).get("properties", {})) or ["none"]


def _resolve(node: Schema, definitions: Schema) -> Schema:
    node = next((option for option in node.get("anyOf", []) if "$ref" in option or "items" in option), node)
    if "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    return node


def _step(node: Schema, part: int | str) -> Schema:
    if isinstance(part, int):
        inner = node.get("items", {})
    else:
        inner = node.get("properties", {}).get(part) or node.get("additionalProperties", {})
    return inner if isinstance(inner, dict) else {}
