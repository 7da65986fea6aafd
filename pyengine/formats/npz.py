"""NumPy's archives: arrays by name in a ZIP file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np

from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import Band, Format, Location, Reader, ReadOptions, Result
from pyengine.formats.npy import read_header, write_npy

_END = ".npy"


class Npz(Format):
    """Arrays as ``file.npz:/name``, read whole; results go to new files."""

    title = "NumPy archive"
    suffixes = (".npz",)
    written_suffixes = suffixes
    has_names = True

    def open(self, source: Location, options: ReadOptions) -> Reader:
        with zipfile.ZipFile(source.path) as archive:
            names = [n[: -len(_END)] for n in archive.namelist() if n.endswith(_END)]
            name = names[0] if source.name is None and len(names) == 1 else source.name
            if name not in names:
                raise ImageRefusedError(
                    f"{source.path}: name the array as {source.path}:/NAME; it holds "
                    f"{', '.join(names) or 'none'}"
                )
            with archive.open(f"{name}{_END}") as member:
                shape, fortran_order, dtype = read_header(cast(BinaryIO, member))
                pixels = int(np.prod(shape, dtype=object))
                check_pixels(1, pixels, options.max_pixels)
                data = member.read(pixels * dtype.itemsize)
            if len(data) < pixels * dtype.itemsize:
                raise EOFError("an array ends before its last pixel")
        flat: Any = np.frombuffer(data, dtype)
        return ArrayReader(flat.reshape(shape, order="F" if fortran_order else "C"), options)

    def holds(self, target: Location) -> bool:
        if not zipfile.is_zipfile(target.path):
            return False
        with zipfile.ZipFile(target.path) as archive:
            return f"{target.name}{_END}" in archive.namelist()

    def refuse_taken(self, target: Location) -> None:
        super().refuse_taken(target)
        if target.path.exists():
            raise FileExistsError(
                f"{target.path}: exists, and nothing is added to archives of NumPy; choose another "
                "name"
            )

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        plain = target.path.with_name("result.npy")
        write_npy(plain, result, bands)
        with zipfile.ZipFile(target.path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, f"{target.name}{_END}")
        plain.unlink()
