"""Volumes as nnU-Net takes them: prepared for a network, and its scores restored to their grid.

A `Recipe` says what happens on both sides of the network; engine files keep it as data.
"""

from __future__ import annotations

from pyengine.volumes.prepare import Prepared, prepare
from pyengine.volumes.recipe import Recipe, recipe_of
from pyengine.volumes.restore import restore
from pyengine.volumes.segment import segment_volume

__all__ = ["Prepared", "Recipe", "prepare", "recipe_of", "restore", "segment_volume"]
