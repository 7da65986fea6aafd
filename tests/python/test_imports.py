"""Who imports whom: no arrow from the package to training or benchmarks, and no circle."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(module, names) of every import of a file, in functions too; not those for types alone."""
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield node.module or "", [alias.name for alias in node.names]
        todo += ast.iter_child_nodes(node)


@pytest.mark.parametrize(
    ("package", "foreign"), [("pyengine", {"train", "benchmarks"}), ("train", {"benchmarks"})]
)
def test_no_package_imports_what_stands_above_it(package: str, foreign: set[str]) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in files
        for module, _ in imports(path)
        if module.split(".")[0] in foreign
    ]
    assert found == []


def test_no_import_by_name() -> None:
    """What the test above cannot see: imports by text, and additions to the search path."""
    for path in (ROOT / "pyengine").rglob("*.py"):
        text = path.read_text()
        assert "import_module" not in text, path
        assert "sys.path" not in text, path


def test_the_packages_modules_import_one_another_in_no_circle() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in (ROOT / "pyengine").rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    graph = {name: set() for name in modules}
    for name, path in modules.items():
        for module, names in imports(path):
            graph[name] |= {module, *(f"{module}.{n}" for n in names)} & set(modules)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_all_packages_are_in_the_wheel() -> None:
    tomllib = pytest.importorskip("tomllib")
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "pyengine").rglob("__init__.py")
    }
    assert set(listed) == found
