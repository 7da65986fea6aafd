"""Shared fixtures; tests that need what is not here skip and say so."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyengine

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # for the folder `train`, which is not installed


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real data sets."""
    folder = Path(os.environ.get("PYENGINE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set PYENGINE_DATA")
    return folder


@pytest.fixture(scope="session")
def membranes() -> pyengine.Engine:
    """The shipped engine."""
    return pyengine.Engine("em-membranes")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium: that of the system, else Playwright's own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("PYENGINE_CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no Chromium: install it, or `playwright install chromium` ({error})")
        yield browser
        browser.close()


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[..., pyengine.Engine]:
    """Builds an engine from a module: ``make_engine(module, shape, threads=1, isa="", **build)``."""

    def make(
        module: Any,
        shape: tuple[int, ...],
        threads: int | None = None,
        isa: str = "",
        executor: Any = "auto",
        **options: Any,
    ) -> pyengine.Engine:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pyengine"
        pyengine.build(module, path, sample_shape=shape, **options)
        return open_with_isa(path, isa, threads, executor)

    return make


def open_with_isa(
    path: Path, isa: str, threads: int | None = None, executor: Any = "auto"
) -> pyengine.Engine:
    """Open an engine with a forced instruction set."""
    before = os.environ.get("PYENGINE_ISA")
    try:
        if isa:
            os.environ["PYENGINE_ISA"] = isa
        return pyengine.Engine(path, threads=threads, executor=executor)
    finally:
        os.environ.pop("PYENGINE_ISA", None)
        if before is not None:
            os.environ["PYENGINE_ISA"] = before


def random_image(
    rng: np.random.Generator, height: int, width: int, channels: int = 1, dtype: Any = np.uint8
) -> np.ndarray:
    """Noise in the range of the dtype (floats: standard normal)."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    if np.dtype(dtype) == np.float32:
        return rng.standard_normal(shape, dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)
