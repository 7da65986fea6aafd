"""Writes SOUP.md from requirements, anomalies and measurements: ``python docs/quality/make.py``.

``--check`` writes nothing and fails where the page is out of date.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = HERE / "SOUP.md"


def load(key: str) -> list[Any]:
    loaded: list[Any] = tomllib.loads((HERE / "requirements.toml").read_text())[key]
    return loaded


def chapters() -> list[dict[str, Any]]:
    """Chapters of requirements, each with ``title`` and ``requirement``, a list."""
    return load("chapter")


def requirements() -> Iterator[dict[str, Any]]:
    for chapter in chapters():
        yield from chapter["requirement"]


def exists(test: str) -> bool:
    """Whether a test is there: a script, ``file.py::name``, ``file.cc::Suite.Name`` or ``file.c::name``."""
    name, _, case = test.partition("::")
    path = ROOT / name
    if not path.is_file():
        return False
    text = path.read_text()
    if not case:
        return True
    if path.suffix == ".py":
        return any(
            isinstance(node, ast.FunctionDef) and node.name == case for node in ast.parse(text).body
        )
    if path.suffix == ".c":
        return re.search(rf"^static void {case}\(", text, re.MULTILINE) is not None
    suite, _, case = case.partition(".")
    return re.search(rf"^TEST(_F|_P)?\({suite}, {case}\)", text, re.MULTILINE) is not None


def faults() -> list[str]:
    """What is wrong with the list of requirements; empty if nothing is."""
    found = []
    seen: set[str] = set()
    for item in requirements():
        if item["id"] in seen:
            found.append(f"{item['id']}: given twice")
        seen.add(item["id"])
        if not item["tests"]:
            found.append(f"{item['id']}: no test")
        found += [f"{item['id']}: no such test: {t}" for t in item["tests"] if not exists(t)]
        if not (ROOT / item["stated_in"]).is_file():
            found.append(f"{item['id']}: stated in {item['stated_in']}, which is not there")
    named = {function for item in requirements() for function in item.get("functions", [])}
    symbols = (ROOT / "tests/install/symbols.txt").read_text().split("\n")
    exported = {name for name in symbols if name.startswith("pye_")}
    bare = set(load("without_requirement"))
    found += [f"{name}: in no requirement" for name in sorted(exported - named - bare)]
    found += [f"{name}: named, but not exported" for name in sorted((named | bare) - exported)]
    found += [f"{name}: has a requirement" for name in sorted(named & bare)]
    return found


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def requirement_tables() -> str:
    parts = []
    for chapter in chapters():
        rows = [
            [item["id"], item["promise"], f"`{item['stated_in']}`",
             "<br>".join(f"`{test.removeprefix('tests/')}`" for test in item["tests"])]
            for item in chapter["requirement"]
        ]  # fmt: skip
        parts += [f"### {chapter['title']}", table(["id", "promise", "stated in", "tests"], rows)]
    return "\n\n".join(parts)


def error_table() -> str:
    """The largest errors of each accuracy, by machine."""
    rows = []
    for path in sorted((ROOT / "benchmarks/results").glob("*-float64-errors.json")):
        content = json.loads(path.read_text())
        results = content["results"]
        for accuracy in sorted({row["accuracy"] for row in results}):
            found = [row for row in results if row["accuracy"] == accuracy]
            shown = [
                f"{max(row[key] for row in found):.1e}"
                for key in ("bound", "relative_rms", "largest_over_range", "labels_that_differ")
            ]
            rows.append([content["machine"], accuracy, *shown, content["date"]])
    return table(
        ["machine", "accuracy", "bound of the relative RMS", "relative RMS", "largest, over the range",
         "share of labels that differ", "date"],
        rows,
    )  # fmt: skip


def anomaly_table() -> str:
    loaded = tomllib.loads((HERE / "anomalies.toml").read_text())["anomaly"]
    keys = ["id", "since", "what", "harm", "way_out"]
    rows = [[item[key] for key in keys] for item in loaded]
    return table(["id", "since", "what", "harm", "way out"], rows)


def page() -> str:
    version = re.search(
        r"project\(pyengine VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()
    )
    assert version is not None
    listed = list(requirements())
    return (HERE / "soup.template").read_text().format(
        version=version[1],
        count=len(listed),
        tests=len({test for item in listed for test in item["tests"]}),
        requirements=requirement_tables(),
        bare=", ".join(f"`{name}`" for name in load("without_requirement")) or "none",
        size=256,
        errors=error_table(),
        anomalies=anomaly_table(),
    )  # fmt: skip


def main() -> int:
    wrong = faults()
    if "--check" not in sys.argv:
        PAGE.write_text(page())
    elif not PAGE.is_file() or PAGE.read_text() != page():
        wrong.append(f"{PAGE.name} is out of date: run python docs/quality/make.py")
    print("\n".join(wrong) or f"{PAGE.name}: {len(list(requirements()))} requirements, all tested")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
