"""The includes of csrc/src against the table of layers in csrc/ARCHITECTURE.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CSRC = Path(__file__).parent.parent.parent / "csrc"
SOURCES = {
    str(path.relative_to(CSRC / "src")): path.read_text()
    for path in sorted((CSRC / "src").rglob("*"))
    if path.suffix in {".h", ".cc", ".cu", ".inc"}
}


def read_table() -> list[tuple[list[str], list[str]]]:
    """Rows of (names of a layer, names it may include), as they stand."""
    text = (CSRC / "ARCHITECTURE.md").read_text()
    header = "| layer | may include |\n| --- | --- |\n"
    rows = text[text.index(header) + len(header) :].split("\n\n")[0].splitlines()
    cells = [row.strip("|").split("|") for row in rows]
    return [(re.findall("`([^`]+)`", layer), re.findall("`([^`]+)`", may)) for layer, may in cells]


TABLE = read_table()
NAMES = [name for names, _ in TABLE for name in names]


def longest(path: str, names: list[str]) -> str:
    """The name that a path belongs to: itself, or a folder around it; empty if there is none."""
    fitting = (n for n in names if path == n or (n.endswith("/") and path.startswith(n)))
    return max(fitting, key=len, default="")


def layer_of(path: str) -> int | None:
    """Index of the row that a source or public header belongs to."""
    name = longest(path, NAMES)
    return next((i for i, (names, _) in enumerate(TABLE) if name in names), None)


def includes(source: str) -> Iterator[str]:
    for name in re.findall(r'^#include "([^"]+)"', SOURCES[source], re.MULTILINE):
        if not name.startswith("pyengine/") or name in NAMES:
            yield name


def forbidden(source: str, included: str) -> bool:
    layer = layer_of(source)
    assert layer is not None, f"{source} belongs to no layer of the table"
    other = layer_of(included)
    assert other is not None, f"{source} includes {included}, which belongs to no layer"
    may = TABLE[layer][1]
    allowed = longest(included, may)
    # A folder's name does not stand for a layer of its own within that folder.
    return layer != other and (not allowed or (allowed in NAMES and layer_of(allowed) != other))


def test_the_table_has_no_arrow_up() -> None:
    assert len(TABLE) > 10
    for row, (names, may) in enumerate(TABLE):
        for name in may:
            below = layer_of(name)
            assert below is not None, f"{name} is no layer"
            assert below < row, f"{names} may include {name}, which stands below it in the table"


@pytest.mark.parametrize("source", SOURCES)
def test_includes_follow_the_table(source: str) -> None:
    wrong = [included for included in includes(source) if forbidden(source, included)]
    assert not wrong, f"{source} includes {wrong}"


def test_every_include_is_a_file_of_ours() -> None:
    for source in SOURCES:
        for included in includes(source):
            assert included in SOURCES or included.startswith("pyengine/"), (source, included)


def test_no_header_includes_itself_by_way_of_others() -> None:
    done: set[str] = set()

    def visit(header: str, way: tuple[str, ...]) -> None:
        assert header not in way, " -> ".join((*way, header))
        if header in done or header not in SOURCES:
            return
        for included in includes(header):
            visit(included, (*way, header))
        done.add(header)

    for source in SOURCES:
        visit(source, ())


@pytest.mark.parametrize(
    ("source", "included", "wrong"),
    [
        ("graph/graph.h", "core/json.h", False),
        ("graph/graph.h", "tiling/tiler.h", True),
        ("tiling/tiler.h", "tiling/exact.h", False),
        ("tiling/tiler.h", "file/engine_file.h", True),
        ("tiling/tiler.h", "pyengine/engine.h", True),
        ("cpu/plan.h", "cpu/kernels/kernels.h", False),
        ("cpu/kernels/kernels.h", "cpu/plan.h", True),
        ("cpu/kernels/kernels.h", "graph/activation_kind.h", False),
        ("cpu/kernels/kernels.h", "graph/graph.h", True),
        ("backends/cpu.cc", "cpu/kernels/kernels.h", True),
        ("c_api/open.cc", "backends/backends.h", True),
        ("core/json.cc", "core/json.h", False),
    ],
)
def test_the_comparison_tells_right_from_wrong(source: str, included: str, wrong: bool) -> None:
    assert forbidden(source, included) == wrong
