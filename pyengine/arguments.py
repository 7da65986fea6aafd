"""Checks of the arguments that `Engine` and file segmentation share, and their words."""

from __future__ import annotations

from collections.abc import Sequence
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


# What the core takes at most of each count; of others, 2**63 - 1.
_MOST = {"threads": 1024, "batch_size": 2**31 - 1, "passes": 2**31 - 1}
# More pixels a side than any image has.
_WHOLE_IMAGE = 2**40


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def tile_sides(tile: int | tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of a tile argument; (0, 0) leaves the choice to the core."""
    if tile is None:
        return 0, 0
    sides = tuple(tile) if isinstance(tile, Sequence) else (tile, tile)
    if len(sides) != 2 or any(not _is_whole(s) or s < 1 for s in sides):
        raise ValueError(f"tile must be a positive int or (height, width), got {tile!r}")
    return min(int(sides[0]), _WHOLE_IMAGE), min(int(sides[1]), _WHOLE_IMAGE)


def positive(name: str, value: float | None) -> int:
    """A whole number of at least 1; 0 stands for None."""
    if value is None:
        return 0
    if not _is_whole(value) and not (isinstance(value, float) and value.is_integer()):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    most = _MOST.get(name, 2**63 - 1)
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    if value > most:
        raise ValueError(f"{name} must be from 1 to {most}, got {value}")
    return int(value)


def flag(name: str, value: bool) -> bool:
    """True or False, not what Python takes for one of them."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def number(name: str, value: float) -> float:
    """Any real number; the core knows its range."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return float(value)


def choice(name: str, value: str, known: tuple[str, ...]) -> int:
    """Index of `value` among the known words."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
    return known.index(value)
