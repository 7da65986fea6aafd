"""The evidence for makers of devices is complete and up to date."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from pyengine import _core

spec = importlib.util.spec_from_file_location("make_quality", ROOT / "docs/quality/make.py")
assert spec is not None
assert spec.loader is not None
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def test_every_requirement_has_tests_and_every_function_a_requirement() -> None:
    assert make.faults() == []


def test_the_page_is_what_the_script_writes() -> None:
    assert make.PAGE.read_text() == make.page(), "run: python docs/quality/make.py"


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("tests/python/test_quality.py::test_missing_tests_are_found", True),
        ("tests/python/test_quality.py::test_no_such", False),
        ("tests/python/no_such_file.py::test_no_such", False),
        ("tests/cpp/engine_test.cc::Engine.RunChecksItsArguments", True),
        ("tests/cpp/engine_test.cc::Engine.NoSuch", False),
        ("tests/cpp/c_api_test.c::bands", True),
        ("tests/cpp/c_api_test.c::no_such", False),
        ("tests/install/run", True),
    ],
)
def test_missing_tests_are_found(test: str, there: bool) -> None:
    assert make.exists(test) == there


@pytest.mark.parametrize("accuracy", ["default", "fast"])
def test_errors_against_float64_stay_within_the_stated_bounds(accuracy: str) -> None:
    from benchmarks.float64_errors import error

    for isa in _core.isas(fast=accuracy == "fast"):
        row = error("retinal-vessels", isa, accuracy)
        assert row["relative_rms"] <= row["bound"], row
        assert row["labels_that_differ"] < 1e-4, row


def test_a_wheel_carries_valid_sboms() -> None:
    """Of the package as it was installed; from the source folder there is nothing to look at."""
    pytest.importorskip("spdx_tools")
    pytest.importorskip("cyclonedx")
    try:
        found = importlib.metadata.distribution("pyengine")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("pyengine is imported from its sources, not installed")
    files = [Path(found.locate_file(f)) for f in found.files or [] if "sboms" in f.parts]
    if not files:
        pytest.skip("an editable installation has no SBOMs")
    assert len(files) == 4
    package = files[0].parents[2] / "pyengine"
    script = ROOT / "tests/install/check_sbom"
    done = subprocess.run(
        [sys.executable, str(script), str(files[0].parent), str(package)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_pinned_by_hash() -> None:
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        used = re.findall(r"uses: *(\S+)(.*)", workflow.read_text())
        assert used
        for action, comment in used:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), f"{workflow.name}: {action}"
            assert re.match(r" # v\d", comment), (
                f"{workflow.name}: {action} does not say its version"
            )
