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
    users_own = ROOT / "pyengine/inputs/weights.py"  # imports what --module names
    for path in set((ROOT / "pyengine").rglob("*.py")) - {users_own}:
        text = path.read_text()
        assert "import_module" not in text, path
        assert "sys.path" not in text, path


def module_name(path: Path, root: Path) -> str:
    """A package is its ``__init__``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def packages_of(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def import_graph(root: Path, package: str) -> dict[str, set[str]]:
    """Module to the modules that its imports run: also ``__init__`` of packages that it enters."""
    paths = [p for suffix in ("py", "pyi") for p in (root / package).rglob(f"*.{suffix}")]
    modules = {module_name(path, root): path for path in paths}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        run: set[str] = set()
        for module, names in imports(path):
            inner = [f"{module}.{n}" if f"{module}.{n}" in modules else module for n in names]
            for imported in inner or [module]:
                run |= {imported} | (packages_of(imported) - packages_of(name))
        graph[name] = run & set(modules) - {name}
    return graph


def test_the_packages_modules_import_one_another_in_no_circle() -> None:
    graphlib.TopologicalSorter(import_graph(ROOT, "pyengine")).prepare()  # raises CycleError


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("from p.a.m import x", "from p.b import y"),  # by way of two packages
        ("from p.a.m import x", "from p.a import x"),  # from the package that holds it
    ],
)
def test_circles_by_way_of_packages_are_found(tmp_path, package, module) -> None:
    for name, text in {
        "p/__init__.py": "", "p/a/__init__.py": package, "p/a/m.py": module,
        "p/b/__init__.py": "from p.a.other import z", "p/a/other.py": "",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(import_graph(tmp_path, "p")).prepare()


def test_all_packages_are_in_the_wheel() -> None:
    tomllib = pytest.importorskip("tomllib")
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "pyengine").rglob("__init__.py")
    }
    assert set(listed) == found
