from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from app.errors import ConfigError
from app.yaml_file import read_yaml


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size_mb: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner | None = None
    items: list[Inner] = []
    named: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inner: {size_mb: 2, sizemb: 3}", "inner.sizemb: unknown key; allowed here: size_mb"),
        ("items: [{size: 3}]", "items.0.size: unknown key; allowed here: size_mb"),
        ("named: {a: {size: 3}}", "named.a.size: unknown key; allowed here: size_mb"),
        ("other: 1", "other: unknown key; allowed here: inner, items, named"),
        ("inner: {size_mb: big}", "inner.size_mb: Input should be a valid integer"),
        ("a: [", "is not valid YAML"),
        ("[1, 2]", "(top level): Input should be a valid dictionary"),
    ],
)
def test_a_fault_is_told_with_file_key_and_what_is_allowed(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_yaml(path, Outer)
    assert str(path) in error.value.message
    assert expected in error.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml", Outer)
