"""Images in whatever slices like an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array, Reader

# Channels last are told by their number: no image is so narrow.
DEPTHS = (1, 2, 3, 4)


class ArrayReader(Reader):
    """NumPy files, HDF5 data sets, decoded images.

    Axes are told by the length of the last one, then by the network's channels: (H, W),
    (H, W, C), (N, H, W), (N, H, W, C); for networks of several channels also (C, H, W) and
    (N, C, H, W).

    Parameters
    ----------
    array
        Has ``shape`` and ``dtype`` and slices along all axes.
    channels : int
        Channels the network needs.
    close : callable, optional
        Releases what `array` lies in.
    """

    def __init__(self, array: Any, channels: int, close: Callable[[], None] = lambda: None) -> None:
        self._array, self._close = array, close
        self.dtype = np.dtype(array.dtype)
        shape = tuple(array.shape)
        axes = _axes(shape, channels)
        if axes is None:
            raise ImageRefusedError(
                f"shape {shape} is not (H, W), (H, W, C), (N, H, W) or (N, H, W, C)"
            )
        self._first_channel = "CY" in axes
        self.stacked = axes[0] == "N"
        self.pages = shape[0] if self.stacked else 1
        sizes = dict(zip(axes, shape, strict=True))
        depth = (sizes["C"],) if "C" in axes else ()
        self.shape = (sizes["Y"], sizes["X"], *depth)

    def rows(self, page: int, begin: int, end: int) -> Array:
        rows: tuple[Any, ...] = (slice(begin, end),)
        if self._first_channel:
            rows = (slice(None), *rows)
        part = np.asarray(self._array[(page, *rows) if self.stacked else rows])
        return np.moveaxis(part, 0, -1) if self._first_channel else part

    def close(self) -> None:
        self._close()


def _axes(shape: tuple[int, ...], channels: int) -> str | None:
    if len(shape) == 2:
        return "YX"
    if len(shape) not in (3, 4):
        return None
    stack = "N" if len(shape) == 4 else ""
    if shape[-1] in (*DEPTHS, channels):
        return f"{stack}YXC"
    if len(shape) == 3:
        return "CYX" if shape[0] == channels > 1 else "NYX"
    return "NCYX" if shape[1] == channels else "NYXC"
