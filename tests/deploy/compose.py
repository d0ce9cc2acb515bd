"""docker-compose.yaml as Compose reads it: merged, and with the variables filled in."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from app.paths import project_path

FILE = project_path("docker-compose.yaml")
NEEDED = {  # what has to be in .env
    "TRUSTED_HOSTS": "llm.example.com",
    "STORE_TEXT": "full",
    "POSTGRES_PASSWORD": "p1",
    "REDIS_PASSWORD": "r1",
    "GRAFANA_PASSWORD": "g1",
}
VARIABLE = re.compile(r"\$(?:\$|\{(\w+):([?-])([^}]*)\})")


class Missing(Exception):
    """Of a variable without a value: the message of the file."""


def compose(variables: Mapping[str, str] = NEEDED) -> dict[str, Any]:
    filled: dict[str, Any] = _filled(yaml.safe_load(FILE.read_text()), variables)
    return filled


def services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, variables) for one in value]
    return VARIABLE.sub(lambda match: _value(match, variables), value) if isinstance(value, str) else value


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, kind, otherwise = match.groups()
    if name is None:
        return "$"
    if not variables.get(name) and kind == "?":
        raise Missing(f"{name}: {otherwise}")
    return variables.get(name) or str(otherwise)
