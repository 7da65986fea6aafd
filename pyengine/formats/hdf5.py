"""HDF5: images are data sets, and a result joins what the file holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from pyengine.atomic_file import update_atomically
from pyengine.formats.array_reader import ArrayReader, MatlabReader
from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import Band, Format, Location, Reader, ReadOptions, Result, fill
from pyengine.formats.kept_error import KeptErrorFile, keeping_errors

_MATLAB_NUMBERS = tuple(
    name.encode()
    for name in (
        "logical", "single", "double", "uint8", "uint16", "uint32", "uint64", "int8", "int16",
        "int32", "int64",
    )
)  # fmt: skip


HDF5_MARK = b"\x89HDF\r\n\x1a\n"


class Hdf5(Format):
    """Data sets as ``file.h5:/name``.

    A file that exists is changed in a copy, which takes its place when the result is complete:
    its folder needs room for both.
    """

    title = "HDF5"
    suffixes = (".h5", ".hdf5")
    written_suffixes = (".h5", ".hdf5")
    has_names = True

    def is_begun_by(self, head: bytes) -> bool:
        return HDF5_MARK in (head[:8], head[512:520])  # behind a block of the user's

    def open(self, source: Location, options: ReadOptions) -> Reader:
        import h5py

        path, name = source.path, source.name
        handle = h5py.File(path, "r")
        try:
            names: list[str] = []
            handle.visititems(
                # MATLAB keeps notes of its own under such names.
                lambda n, o: (
                    names.append(n)
                    if isinstance(o, h5py.Dataset) and not n.startswith("#")
                    else None
                )
            )
            if name is None:
                # Beside one image there may be numbers and words about it.
                images = [n for n in names if len(handle[n].shape) > 1]
                name = images[0] if len(images) == 1 else names[0] if len(names) == 1 else None
            if name not in names:
                raise ImageRefusedError(
                    f"{path}: name the data set as {path}:/NAME; it holds "
                    f"{', '.join(names) or 'none'}"
                )
            data = handle[name]
            if data.chunks is not None:  # they are unpacked whole
                check_pixels(1, math.prod(data.chunks), options.max_pixels)
            kind = MatlabReader if _is_matlab(data) else ArrayReader
            return kind(data, options, handle.close)
        except BaseException:
            handle.close()
            raise

    def joins(self, target: Location) -> bool:
        # Only by name: a data set that is added unasked makes the file ambiguous for its readers.
        return target.name is not None and _holds_something(target.path)

    def holds(self, target: Location) -> bool:
        if not _holds_something(target.path):
            return False
        with _open_target(target.path) as handle:
            return target.name in handle

    def refuse_taken(self, target: Location) -> None:
        super().refuse_taken(target)
        if _holds_something(target.path):
            _refuse_taken_name(target.path, target.name or "")

    def save(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        if not _holds_something(target.path):
            super().save(target, result, bands)
            return
        update_atomically(
            target.path, lambda path: self.write(replace(target, path=path), result, bands)
        )

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        import h5py

        mode = "r+" if target.path.exists() else "w"
        with keeping_errors(target.path) as kept, h5py.File(kept, mode) as handle:
            data = handle.create_dataset(target.name, result.shape, result.dtype)
            fill(data, result, _until_an_error(kept, bands))


def _until_an_error(file: KeptErrorFile, bands: Iterator[Band]) -> Iterator[Band]:
    """The bands, of which none is computed for a file that is lost already."""
    for band in bands:
        yield band
        file.check()


def _is_matlab(data: Any) -> bool:
    """Whether MATLAB wrote a data set; refused if it is no image."""
    kind = data.attrs.get("MATLAB_class")
    if kind is None:
        return False
    if "MATLAB_empty" in data.attrs or kind not in _MATLAB_NUMBERS:
        raise ImageRefusedError(f"is a MATLAB array of class {kind.decode()}, empty or no image")
    return True


def _holds_something(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _open_target(path: Path) -> Any:
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise OSError(
            f"{path}: exists and cannot be added to, choose another name ({error})"
        ) from error


def _refuse_taken_name(path: Path, name: str) -> None:
    import h5py

    with _open_target(path) as handle:
        group: Any = handle
        parts = name.split("/")
        for depth, part in enumerate(parts, 1):
            if group.get(part, getlink=True) is None:
                return
            group = group.get(part)
            if depth == len(parts) or not isinstance(group, h5py.Group):
                taken = "/".join(parts[:depth])
                free = next(n for n in (f"{taken}_{i}" for i in count(2)) if n not in handle)
                raise FileExistsError(
                    f"{path}: holds '{taken}' already, which is not replaced; choose another "
                    f"name, such as {path}:/{free}"
                )
            if group.file.filename != handle.filename:
                raise OSError(
                    f"{path}: '{part}' is a link into {group.file.filename}; name a data set in "
                    "the file itself"
                )
