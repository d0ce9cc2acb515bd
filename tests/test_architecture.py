"""The import rules of the project: deployments -> app <- train, no Ray in app, no work at import in app."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
FORBIDDEN = {"app": {"ray", "deployments", "train"}, "deployments": {"train"}, "train": {"deployments"}}
CHEAP_CALLS = {
    "TypeVar",
    "getLogger",
    "compile",
    "frozenset",
    "tuple",
    "dict",
    "Field",
    "ConfigDict",
    "fromkeys",
    "items",
    "str",
    "Query",
    "Wheel",
    "Artifact",
    "Path",
    "resolve",
    "AfterValidator",
    "field",
    "NewType",
}


def modules(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def calls_at_import(tree: ast.Module) -> Iterator[str]:
    """Calls in statements of the module itself; functions, classes and `if __name__` blocks do not run."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr | ast.For | ast.With | ast.Try):
            for node in ast.walk(statement):
                if isinstance(node, ast.Call):
                    yield node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_dependencies_point_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(PROJECT)} imports {name}"
        for path in modules(package)
        for name in imported(ast.parse(path.read_text()))
        if name in FORBIDDEN[package]
    ]
    assert wrong == []


def test_app_does_no_work_at_import() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)} calls {name}"
        for path in modules("app")
        if path.name != "__main__.py"
        for name in calls_at_import(ast.parse(path.read_text()))
        if name not in CHEAP_CALLS
    ]
    assert wrong == []


@pytest.mark.parametrize("package", FORBIDDEN)
def test_files_stay_under_250_lines(package: str) -> None:
    long = [str(path.relative_to(PROJECT)) for path in modules(package) if len(path.read_text().splitlines()) > 250]
    assert long == []
