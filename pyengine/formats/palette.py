"""Colours of classes as a colour map of 256 entries."""

from __future__ import annotations

import numpy as np

from pyengine.formats.format import Array


def palette(colors: tuple[tuple[int, int, int], ...]) -> Array:
    """RGB of labels 0 to 255, shape (256, 3), uint8; black where there is no class."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = colors
    return table
