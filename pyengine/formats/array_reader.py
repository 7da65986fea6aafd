"""Images in whatever slices like an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyengine.formats.format import Array, Reader


class ArrayReader(Reader):
    """NumPy files, HDF5 data sets, decoded images.

    Parameters
    ----------
    array
        Has ``shape`` and ``dtype`` and slices along its first axes.
    channels : int
        Channels the network needs.
    close : callable, optional
        Releases what `array` lies in.
    """

    def __init__(self, array: Any, channels: int, close: Callable[[], None] = lambda: None) -> None:
        self._array, self._close = array, close
        self.dtype = np.dtype(array.dtype)
        shape = tuple(array.shape)
        # (N, H, W) is a stack of grey images, unless the last axis holds the network's channels.
        # A last axis of 3 or 4 is colour in any case: no image is that narrow.
        color = len(shape) == 4 or (
            len(shape) == 3 and (shape[-1] == channels > 1 or shape[-1] in (3, 4))
        )
        spatial = shape[:-1] if color else shape
        if len(spatial) not in (2, 3):
            raise ValueError(f"shape {shape} is not (H, W), (H, W, C), (N, H, W) or (N, H, W, C)")
        self.stacked = len(spatial) == 3
        self.pages = shape[0] if self.stacked else 1
        self.shape = shape[1:] if self.stacked else shape

    def rows(self, page: int, begin: int, end: int) -> Array:
        part = self._array[page, begin:end] if self.stacked else self._array[begin:end]
        return np.asarray(part)

    def close(self) -> None:
        self._close()
