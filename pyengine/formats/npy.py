"""NumPy's own files: mapped for reading, written by plain writes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.format import Band, Format, Location, Reader, ReadOptions, Result


class Npy(Format):
    """One array; see `ArrayReader` for its axes."""

    title = "NumPy"
    suffixes = (".npy",)
    written_suffixes = suffixes

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith(b"\x93NUMPY")

    def open(self, source: Location, options: ReadOptions) -> Reader:
        return ArrayReader(np.load(source.path, mmap_mode="r", allow_pickle=False), options)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        # A page of a mapped file that finds no room on the disk kills the process.
        height, width = result.page_shape[-2:]
        planes_per_page = math.prod(result.page_shape[:-2])
        with target.path.open("wb") as file:
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
