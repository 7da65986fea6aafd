"""Lets packages import a torchvision that was built for another torch.

The wheel of PyPI is built for CUDA. Beside a torch without it, its library does not load, and the
import ends at "operator torchvision::nms does not exist", though no network here needs operators.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any


@functools.cache
def allow_torchvision() -> None:
    """Define what torchvision looks for when it is imported, where its own library does not load."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return
    for library in Path(spec.submodule_search_locations[0]).glob("_C.*"):
        try:
            torch.ops.load_library(library)
        except OSError:
            _KEPT.append(torch.library.Library("torchvision", "DEF"))
            for name in ("nms", "qnms"):
                _KEPT[0].define(
                    f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )


_KEPT: list[Any] = []  # a library that is collected takes its operators along
