"""Checks of the arguments that `Engine` and file segmentation share, and their words."""

from __future__ import annotations

from typing import Literal

import numpy as np

Output = Literal["labels", "probabilities", "logits"]
Mode = Literal["exact", "gaussian", "constant"]
PaddingMode = Literal["reflect", "replicate", "constant"]

Augmentation = Literal["none", "flips", "d4"]
Accuracy = Literal["default", "fast"]
OnMismatch = Literal["raise", "rebuild", "cpu"]

# In the order of the core's enumerations.
OUTPUTS = ("labels", "probabilities", "logits")
MODES = ("exact", "constant", "gaussian")
ACCURACIES = ("default", "fast")
ON_MISMATCH = ("raise", "rebuild", "cpu")
AUGMENTATIONS = ("none", "flips", "d4")
PADDINGS = ("reflect", "replicate", "constant")


def tile_sides(tile: int | tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of a tile argument; (0, 0) leaves the choice to the core."""
    if tile is None:
        return 0, 0
    sides = (tile, tile) if isinstance(tile, (int, np.integer)) else tuple(tile)
    if len(sides) != 2 or any(not isinstance(s, (int, np.integer)) or s < 1 for s in sides):
        raise ValueError(f"tile must be a positive int or (height, width), got {tile!r}")
    return int(sides[0]), int(sides[1])


def positive(name: str, value: int | None) -> int:
    """A count of at least 1; 0 stands for None."""
    if value is None:
        return 0
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    return int(value)


def choice(name: str, value: str, known: tuple[str, ...]) -> int:
    """Index of `value` among the known words."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
    return known.index(value)
