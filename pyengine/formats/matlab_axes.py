"""MATLAB counts axes the other way round: what it shows as (H, W, N) lies in files as (N, W, H)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyengine.formats.array_reader import DEPTHS
from pyengine.formats.format import Array


class Turned:
    """An array with its axes in another order, of which only what is asked for is read.

    Parameters
    ----------
    array
        Has ``shape`` and ``dtype`` and slices along all axes.
    order : tuple of int
        As of `numpy.transpose`.
    """

    def __init__(self, array: Any, order: tuple[int, ...]) -> None:
        self._array, self._order = array, order
        self.dtype = np.dtype(array.dtype)
        self.shape = tuple(array.shape[axis] for axis in order)

    def __getitem__(self, key: Any) -> Array:
        keys = key if isinstance(key, tuple) else (key,)
        stored: list[Any] = [slice(None)] * len(self._order)
        for axis, part in zip(self._order, keys, strict=False):
            stored[axis] = part
        left = [axis for axis in range(len(stored)) if isinstance(stored[axis], slice)]
        order = [left.index(axis) for axis in self._order if axis in left]
        return np.transpose(self._array[tuple(stored)], order)


def images_of(stored: Any, channels: int) -> Any:
    """A stored array as (H, W), (H, W, C), (N, H, W) or (N, H, W, C).

    Parameters
    ----------
    stored
        As in the file: of MATLAB's axes the last first.
    channels : int
        Channels the network needs.
    """
    axes = len(stored.shape)
    # MATLAB's (H, W, C, N) and, where the third axis is no colour, (H, W, N).
    if axes == 4:
        return Turned(stored, (0, 3, 2, 1))
    if axes == 3 and stored.shape[0] not in (*DEPTHS, channels):
        return Turned(stored, (0, 2, 1))
    return Turned(stored, tuple(reversed(range(axes))))
