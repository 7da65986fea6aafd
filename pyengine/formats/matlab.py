"""MATLAB's files: arrays by name, with the axes that MATLAB shows."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from pyengine.formats.array_reader import MatlabReader
from pyengine.formats.boundary import ImageRefusedError
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
        arrays = _load(source)
        name = source.name
        if name is None and len(arrays) == 1:
            (name,) = arrays
        if name is None or name not in arrays:
            raise ImageRefusedError(
                f"{source.path}: name the array as {source.path}:/NAME; it holds "
                f"{', '.join(arrays) or 'no array of numbers'}"
            )
        return MatlabReader(arrays[name].T, options)


def _load(source: Location) -> dict[str, Any]:
    try:
        import scipy.io
    except ImportError as error:
        raise ImageRefusedError(
            f"{source.path}: MATLAB files before version 7.3 are read by SciPy; install it with "
            f"{Matlab.libraries[0].how}, or save with -v7.3"
        ) from error
    with contextlib.closing(source.path.open("rb")) as file:
        found = scipy.io.loadmat(file, squeeze_me=False)
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    }
