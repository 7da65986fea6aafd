"""What the documents show is what happens."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys

import pytest
from conftest import ROOT

MODULES = ["pyengine", "pyengine.engine", "pyengine.builder.build"]


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
    from pyengine.cli.parser import make_parser

    text = (ROOT / "README.md").read_text()
    for verb in ("segment", "info", "build", "verify", "bench", "demo"):
        assert f"pyengine {verb}" in text
        with pytest.raises(SystemExit):
            make_parser().parse_args([verb, "--help"])


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
