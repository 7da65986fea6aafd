"""A volume as a stack of B-scans."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array, Calibration, Reader, ReadOptions

# Both ways of naming the eye.
_SIDES = {"OD": "R", "OS": "L", "R": "R", "L": "L"}


class BscanReader(Reader):
    """B-scans, depth down, decoded one at a time.

    Parameters
    ----------
    bscan : callable
        From the number of a B-scan to its pixels, shape (H, W).
    count : int
    size : (int, int)
        (H, W)
    dtype : numpy.dtype
    options : ReadOptions
    spacing_mm : (float or None, float or None, float or None)
        Height and width of a pixel, distance of B-scans; None where it is not said.
    eye : str or None
        "OD", "OS", "R" or "L"; anything else is not said.
    close : callable, optional
    """

    axes, axes_by = "ZYX", "the file"
    stacked = True

    def __init__(
        self,
        bscan: Callable[[int], Array],
        count: int,
        size: tuple[int, int],
        dtype: np.dtype[np.generic],
        options: ReadOptions,
        spacing_mm: tuple[float | None, float | None, float | None] = (None, None, None),
        eye: str | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        if options.axes is not None:
            raise ImageRefusedError("axes are not chosen here: a volume is a stack of B-scans")
        if count < 1 or min(size) < 1:
            raise ImageRefusedError(f"holds {count} B-scans of {size[0]} x {size[1]} px")
        self._bscan, self._close = bscan, close
        self.pages, self.shape, self.dtype = count, size, np.dtype(dtype)
        self.stack = (("Z", count),)
        height, width, depth = (value if value and value > 0 else None for value in spacing_mm)
        if height is not None and width is not None:
            self.calibration = Calibration(height, width, "mm", depth)
        side = _SIDES.get((eye or "").strip("\0 ").upper())
        self.notes = {"laterality": side} if side else {}
        self._kept: tuple[int, Array] | None = None

    def rows(self, page: int, begin: int, end: int) -> Array:
        if self._kept is None or self._kept[0] != page:
            self._kept = page, self._bscan(page)
        return self._kept[1][begin:end]

    def close(self) -> None:
        self._close()


def eye_in_name(name: str) -> str | None:
    """The eye that devices write into names of files; None where there is none, or both."""
    found = set(re.findall(r"(?<![A-Za-z])O[DS](?![A-Za-z])", name))
    return found.pop() if len(found) == 1 else None
