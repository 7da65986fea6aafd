"""Images in whatever slices like an array."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pyengine.formats.axes import axes_by_lengths, check_axes, matlab_axes
from pyengine.formats.format import Array, Reader, ReadOptions


class ArrayReader(Reader):
    """NumPy files, HDF5 data sets, decoded images.

    Parameters
    ----------
    array
        Has ``shape`` and ``dtype`` and slices along all axes.
    options : ReadOptions
        Its axes come first, then those that `said`, then `axes_by_lengths`.
    close : callable, optional
        Releases what `array` lies in.
    said : str, optional
        Axes that the file names. A small c is one of channels that are images of their own.
    """

    def __init__(
        self,
        array: Any,
        options: ReadOptions,
        close: Callable[[], None] = lambda: None,
        said: str | None = None,
    ) -> None:
        self._array, self._close = array, close
        self.dtype = np.dtype(array.dtype)
        shape = tuple(array.shape)
        if options.axes is not None:
            letters, self.axes_by = check_axes(options.axes, shape), "--axes"
        elif said is not None:
            letters, self.axes_by = said, "the file"
        else:
            letters = axes_by_lengths(shape, options.channels)
        self._letters, self.axes = letters, letters.upper()
        lengths = dict(zip(letters, shape, strict=True))
        self.shape = tuple(lengths[axis] for axis in "YXC" if axis in lengths)
        self._along = [axis for axis in letters if axis not in "YXC"]
        self.stack = tuple((axis.upper(), lengths[axis]) for axis in self._along)
        self.stacked = bool(self.stack)
        self.pages = math.prod(n for _, n in self.stack)
        plane = [axis for axis in letters if axis in "YXC"]
        self._turn = [plane.index(axis) for axis in "YXC" if axis in plane]

    def rows(self, page: int, begin: int, end: int) -> Array:
        places = np.unravel_index(page, [n for _, n in self.stack]) if self.stack else ()
        at = {axis: int(place) for axis, place in zip(self._along, places, strict=True)}
        key = tuple(
            slice(begin, end) if axis == "Y" else at.get(axis, slice(None))
            for axis in self._letters
        )
        return np.asarray(self._array[key]).transpose(self._turn)

    def close(self) -> None:
        self._close()


class MatlabReader(ArrayReader):
    """MATLAB's arrays, which it shows with the axes that lie in files in reverse.

    Parameters
    ----------
    stored
        As in the file: of MATLAB's axes the last first.
    options
        The user's axes are in the order that MATLAB shows.
    close
        As of `ArrayReader`.
    """

    def __init__(
        self, stored: Any, options: ReadOptions, close: Callable[[], None] = lambda: None
    ) -> None:
        if options.axes is not None:
            super().__init__(stored, replace(options, axes=options.axes[::-1]), close)
        else:
            super().__init__(stored, options, close, matlab_axes(stored.shape, options.channels))
            self.axes_by = "lengths" if len(stored.shape) == 3 else "the file"
        self.axes = self.axes[::-1]
