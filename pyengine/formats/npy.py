"""NumPy's own files, read and written piece by piece."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.file_array import FileArray
from pyengine.formats.format import Band, Format, Location, Reader, ReadOptions, Result


class Npy(Format):
    """One array; see `ArrayReader` for its axes."""

    title = "NumPy"
    suffixes = (".npy",)
    written_suffixes = suffixes

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith(b"\x93NUMPY")

    def open(self, source: Location, options: ReadOptions) -> Reader:
        with source.path.open("rb") as file:
            shape, fortran_order, dtype = read_header(file)
            start = file.tell()
        array = FileArray(source.path, start, shape, dtype, fortran_order)
        try:
            return ArrayReader(array, options, array.close)
        except BaseException:
            array.close()
            raise

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        write_npy(target.path, result, bands)


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first axis is the fastest, and type; the file stands at the first element.

    Raises
    ------
    ImageRefusedError
        Python objects, which would have to be run to be read.
    ValueError
        No header of NumPy.
    """
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0
    }  # fmt: skip
    if version not in read:
        raise ValueError(f"version {version} of the format is not known")
    shape, fortran_order, dtype = read[version](file)
    if dtype.hasobject:
        raise ImageRefusedError("holds Python objects, which are no pixels")
    return shape, fortran_order, dtype


def write_npy(path: Path, result: Result, bands: Iterator[Band]) -> None:
    """Write a result by plain writes: a mapped page that finds no room kills the process."""
    height, width = result.page_shape[-2:]
    planes_per_page = math.prod(result.page_shape[:-2])
    with path.open("wb") as file:
        description = {
            "descr": result.dtype.str, "fortran_order": False, "shape": result.shape
        }  # fmt: skip
        np.lib.format.write_array_header_1_0(file, description)
        start = file.tell()
        for band in bands:
            for k, plane in enumerate(band.values.reshape(planes_per_page, -1, width)):
                row = (band.page * planes_per_page + k) * height + band.begin
                file.seek(start + row * width * result.dtype.itemsize)
                file.write(plane.tobytes())
