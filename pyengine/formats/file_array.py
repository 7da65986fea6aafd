"""An array that lies in a file as it is, read piece by piece.

Not mapped: a file that shrinks, or a network disk that fails, ends a process that has mapped it.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.format import Array


class FileArray:
    """Slices like an array; each slice is read when it is asked for.

    Parameters
    ----------
    path : Path
    start : int
        Of the first element, in bytes.
    shape : tuple of int
    dtype : numpy.dtype
    fortran_order : bool
        Whether the first axis is the fastest.
    """

    def __init__(
        self,
        path: Path,
        start: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        fortran_order: bool = False,
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._start, self._fortran = start, fortran_order
        self._stored = shape[::-1] if fortran_order else shape
        self._file = path.open("rb")
        if path.stat().st_size < start + math.prod(shape) * dtype.itemsize:
            self.close()
            raise EOFError("the file ends before its last pixel")

    def __getitem__(self, key: tuple[int | slice, ...]) -> Array:
        full = (*key, *[slice(None)] * (len(self.shape) - len(key)))
        if not self._fortran:
            return self._read(full)
        return self._read(full[::-1]).T

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, key: tuple[int | slice, ...]) -> Array:
        """What is wanted, in the order that is stored; one read for each run of bytes."""
        ranges = [
            range(n)[part] if isinstance(part, slice) else range(part, part + 1)
            for part, n in zip(key, self._stored, strict=True)
        ]
        # Along this axis, and all of those after it, bytes follow one another.
        cut = [k for k, n in enumerate(self._stored) if 1 < len(ranges[k]) < n]
        axis = cut[-1] if cut else next((k for k, r in enumerate(ranges) if len(r) > 1), 0)
        inner = self._stored[axis + 1 :]
        out = np.empty([len(r) for r in ranges], self.dtype)
        rest = tuple(slice(r.start, r.stop) for r in ranges[axis + 1 :])
        outer = ranges[:axis]
        for place in itertools.product(*(range(len(r)) for r in outer)):
            at = [r[p] for r, p in zip(outer, place, strict=True)]
            block = self._run((*at, ranges[axis].start), len(ranges[axis]) * math.prod(inner))
            out[place] = block.reshape(len(ranges[axis]), *inner)[(slice(None), *rest)]
        whole = (0 if not isinstance(part, slice) else slice(None) for part in key)
        return out[tuple(whole)]

    def _run(self, at: tuple[int, ...], count: int) -> Array:
        place = 0
        for index, n in zip(at, self._stored, strict=False):
            place = place * n + index
        place *= math.prod(self._stored[len(at) :])
        self._file.seek(self._start + place * self.dtype.itemsize)
        data = self._file.read(count * self.dtype.itemsize)
        if len(data) < count * self.dtype.itemsize:
            raise EOFError("the file ends in the middle of its pixels: it was cut meanwhile")
        return np.frombuffer(data, self.dtype)
