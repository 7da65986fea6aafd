"""MATLAB's files: arrays by name, with the axes that MATLAB shows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyengine.formats.array_reader import MatlabReader
from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import Format, Library, Location, Reader, ReadOptions
from pyengine.formats.hdf5 import Hdf5


class Matlab(Format):
    """Version 7.3, which is HDF5, and by SciPy those before, which are read whole."""

    title = "MATLAB"
    suffixes = (".mat",)
    has_names = True
    libraries = (Library(("scipy",), "matlab", "files before version 7.3"),)

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith(b"MATLAB ") or Hdf5().is_begun_by(head)

    def open(self, source: Location, options: ReadOptions) -> Reader:
        import h5py

        if h5py.is_hdf5(source.path):
            return Hdf5().open(source, options)
        shapes = _shapes(source)
        name = source.name
        if name is None and len(shapes) == 1:
            (name,) = shapes
        if name is None or name not in shapes:
            raise ImageRefusedError(
                f"{source.path}: name the array as {source.path}:/NAME; it holds "
                f"{', '.join(shapes) or 'no array of numbers'}"
            )
        check_pixels(1, math.prod(shapes[name]), options.max_pixels)
        return MatlabReader(_load(source, name).T, options)


_NUMBERS = (
    "double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "logical",
)  # fmt: skip


def _shapes(source: Location) -> dict[str, tuple[int, ...]]:
    """By name, of the arrays that hold numbers."""
    try:
        import scipy.io
    except ImportError as error:
        raise ImageRefusedError(
            f"{source.path}: MATLAB files before version 7.3 are read by SciPy; install it with "
            f"{Matlab.libraries[0].how}, or save with -v7.3"
        ) from error
    with source.path.open("rb") as file:
        return {name: shape for name, shape, kind in scipy.io.whosmat(file) if kind in _NUMBERS}


def _load(source: Location, name: str) -> Any:
    import scipy.io

    with source.path.open("rb") as file:
        array = scipy.io.loadmat(file, squeeze_me=False, variable_names=[name])[name]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise ImageRefusedError(f"'{name}' is no array of numbers")
    return array
