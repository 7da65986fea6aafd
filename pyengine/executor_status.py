"""What can compute networks on this machine, and if not, why not."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache

from pyengine import _core

# Import names of packages that bring TensorRT's libraries.
_PACKAGES = ("tensorrt_libs", "onnxruntime_ep_nv_tensorrt_rtx")


@dataclass(frozen=True)
class ExecutorStatus:
    """One executor as it stands on this machine."""

    name: str
    """``"tensorrt"``, ``"tensorrt-rtx"`` or ``"cpu"``"""
    detail: str
    """Library and version, or instruction set; empty if there is none."""
    why_not: str
    """Why it cannot run networks here; empty if it can."""
    why_no_build: str
    """Why plans for it cannot be built here; empty if they can, or if it needs none."""


@cache
def library_folders() -> list[str]:
    """Folders of installed packages that bring TensorRT's libraries."""
    folders: list[str] = []
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None:
            folders += spec.submodule_search_locations or []
    return folders


def executors() -> tuple[ExecutorStatus, ...]:
    """All executors, best first.

    TensorRT's libraries are looked for in the folders that the environment variable
    ``PYENGINE_TENSORRT`` names (separated by colons), in installed packages (``tensorrt``,
    ``onnxruntime-ep-nv-tensorrt-rtx-cu13``), and where the system's loader looks.

    Returns
    -------
    tuple of ExecutorStatus
    """
    return tuple(ExecutorStatus(**row) for row in _core.executors(library_folders()))
