"""Whole volumes in memory, with their geometry: for what needs all slices at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyengine.formats.format import Array, Band, Location, Result
from pyengine.formats.geometry import Geometry
from pyengine.formats.registry import open_image, save_result


@dataclass(frozen=True)
class Volume:
    """Slices of one file.

    Attributes
    ----------
    array : ndarray of uint8, uint16 or float32, shape (Z, Y, X)
    geometry : Geometry or None
        None where the file says nothing of it.
    stacked : bool
        False of one image, which is no stack of one.
    """

    array: Array
    geometry: Geometry | None
    stacked: bool = True

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Along z, y and x."""
        return None if self.geometry is None else self.geometry.spacing_mm[::-1]


def read_volume(source: str | os.PathLike[str]) -> Volume:
    """Read all slices of a file of any format.

    Raises
    ------
    OSError, ValueError
        As `open_image`; also if pixels have several channels.
    """
    with open_image(os.fspath(source), 1) as reader:
        if len(reader.shape) > 2:
            raise ValueError(f"{source}: has {reader.shape[2]} channels, a volume has one")
        array = np.empty((reader.pages, *reader.shape), reader.dtype)
        for page, plane in enumerate(array):
            plane[:] = reader.rows(page, 0, reader.shape[0])
        return Volume(array, reader.geometry, reader.stacked)


def write_volume(target: str | os.PathLike[str], volume: Volume) -> None:
    """Write labels or other values in the format that the suffix names; whole or not at all.

    Raises
    ------
    OSError, ValueError
        The file cannot be written, or no format has this suffix.
    """
    array = volume.array
    result = Result(
        array.shape[1:], array.dtype, len(array), volume.stacked, geometry=volume.geometry
    )

    def bands() -> Iterator[Band]:
        for page, plane in enumerate(array):
            yield Band(page, 0, np.ascontiguousarray(plane))

    save_result(Location(Path(target)), result, bands())
