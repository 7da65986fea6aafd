"""What the documents show is what happens."""

from __future__ import annotations

import argparse
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from pyengine.cli import main
from pyengine.cli.parser import make_parser

MODULES = [
    "pyengine", "pyengine.engine", "pyengine.builder.build", "pyengine.measurements.measure",
]  # fmt: skip
README_LINES = 120
FOLDERS_OF_PAGES = [".", "benchmarks", "csrc", "docs", "docs/quality", "pyengine/engines", "train"]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for folder in FOLDERS_OF_PAGES
    for page in (ROOT / folder).glob("*.md")
)


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def links(text: str) -> list[str]:
    """Where a page's links and pictures lead, those to other sites left out."""
    targets = re.findall(r"\]\(([^()\s]+)\)", without_code(text))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """The names GitHub gives to a page's headings."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    names: list[str] = []
    for heading in re.findall(r"^#+ +(.*?) *$", prose, re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.append(f"{name}-{names.count(name)}" if name in names else name)
    return set(names)


def dead_links(page: Path) -> list[str]:
    dead = []
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            dead.append(link)
    return dead


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_readme_python(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)
    assert scope["labels"].shape == (300, 500)
    assert scope["report"].passed


def test_readme_names_every_verb() -> None:
    (verbs,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    text = (ROOT / "README.md").read_text()
    assert verbs.choices
    assert [verb for verb in verbs.choices if f"pyengine {verb}" not in text] == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_the_scanner_in_c_fits_a_page() -> None:
    source = (ROOT / "csrc/examples/scanner/scanner.c").read_text()
    assert len(source.splitlines()) <= 60


def test_the_scanner_in_python_runs() -> None:
    script = ROOT / "csrc/examples/scanner/scanner.py"
    done = subprocess.run(
        [sys.executable, str(script), "oct-fluid", "15"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^frame 1: .* ms old", done.stdout, re.MULTILINE)
    assert re.search(r"^\d+ done, \d+ replaced, age p99 ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert dead_links(ROOT / page) == []


def test_dead_links_are_found(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# `One`, *two*\n## A (b)\n## A (b)\n[x](#one-two) [x](page.md#a-b-1) [x](https://a.b/c)\n"
        "```c\n# Not a heading\n```\n`[x](not-a-link)`\n"
        "[x](#a) [x](gone.md) ![x](gone.png) [x](page.md#not-a-heading)\n"
    )
    assert dead_links(page) == ["#a", "gone.md", "gone.png", "page.md#not-a-heading"]


@pytest.mark.parametrize("system", ["em-membranes", "retinal-vessels"])
def test_readme_pictures_are_what_the_demo_draws(system: str, tmp_path) -> None:
    text = (ROOT / "README.md").read_text()
    shown = [link for link in links(text) if link.startswith(f"docs/demo/{system}-demo-")]
    assert [Path(link).name for link in shown] == [
        f"{system}-demo-{kind}.png" for kind in ("image", "overlay")
    ]
    assert main(["demo", system, "--size", "256", "-o", str(tmp_path)]) == 0
    for link in shown:
        drawn, kept = (
            np.asarray(Image.open(path), np.int16)
            for path in (tmp_path / Path(link).name, ROOT / link)
        )
        # Instruction sets round differently: a grey value may move by one, a label at a border.
        same = (np.abs(drawn - kept) <= 1).reshape(256, 256, -1).all(axis=2)
        assert same.mean() > 0.99, link


@pytest.mark.parametrize("where", ["source", "elsewhere"])
def test_import_works_from_the_source_folder_and_elsewhere(where, tmp_path) -> None:
    cwd = ROOT if where == "source" else tmp_path
    done = subprocess.run(
        [sys.executable, "-c", "import pyengine; print(pyengine.engines())"],
        capture_output=True, text=True, cwd=cwd, check=False,
    )  # fmt: skip
    assert (
        done.stdout.strip()
        == "['em-membranes', 'oct-fluid', 'retinal-vessels', 'ultrasound-nerve']"
    ), done.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout: nothing is tracked")
def test_the_root_holds_what_is_meant_and_no_large_file_but_the_engines() -> None:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    tracked = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    top = {name.partition("/")[0] for name in tracked if name}
    assert {name for name in top if not name.startswith(".")} == {
        "CHANGELOG.md", "CMakeLists.txt", "CMakePresets.json", "CONTRIBUTING.md", "LICENSE",
        "MANIFEST.in", "NOTICE", "README.md", "SECURITY.md", "benchmarks", "csrc", "docs",
        "licences", "packaging", "pyengine", "pyproject.toml", "setup.py", "tests", "train",
    }  # fmt: skip
    files = [ROOT / name for name in tracked if name and (ROOT / name).is_file()]
    large = [file for file in files if file.stat().st_size > 500_000]
    assert {file.suffix for file in large} == {".pyengine"}
