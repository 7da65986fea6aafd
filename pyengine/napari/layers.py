"""What napari and its plug-ins hand to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.spacing import Spacing

Array = npt.NDArray[Any]
LayerData = tuple[Any, dict[str, Any], str]


def scale_of(spacing: Spacing | None, ndim: int) -> dict[str, Any]:
    """Distances of pixels as napari's ``scale``, in mm; nothing where they are not known."""
    if spacing is None:
        return {}
    sides = [spacing.height, spacing.width]
    if ndim == 3:
        sides.insert(0, spacing.depth or spacing.width)
    return {"scale": sides, "units": ["mm"] * ndim}


def palette(colors: tuple[tuple[int, int, int], ...]) -> dict[int | None, Any]:
    """Classes in their colours, the first clear; None stands for all others."""
    table: dict[int | None, Any] = {
        label: np.array([*(c / 255 for c in color), 1.0]) for label, color in enumerate(colors)
    }
    return {**table, 0: np.zeros(4), None: np.array([1.0, 1.0, 1.0, 1.0])}
