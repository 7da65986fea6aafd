"""Zeiss Cirrus's raw cubes: bytes without a header, whose size follows from name or length."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array, Format, Location, Reader, ReadOptions
from pyengine.formats.oct.bscan_reader import BscanReader, eye_in_name

_DEPTH_PX = 1024
# A-scans of a B-scan, and B-scans, of the protocols.
_PROTOCOLS = ((512, 128), (200, 200), (1024, 21), (4096, 5), (1024, 5))


class Zeiss(Format):
    """B-scans, which are stored turned by 180 degrees. The file says nothing of their spacing."""

    title = "Zeiss Cirrus IMG"
    suffixes = (".img",)

    def recognises(self, path: Path) -> bool:
        # With a header beside it, it is Analyze's or NIfTI's.
        return super().recognises(path) and not path.with_suffix(".hdr").exists()

    def open(self, source: Location, options: ReadOptions) -> Reader:
        size = source.path.stat().st_size
        width, count, height = _sides(source.path.name, size)
        raw = np.memmap(source.path, np.uint8, "r", shape=(count, height, width))

        def bscan(number: int) -> Array:
            return np.array(raw[number, ::-1, ::-1])

        eye = eye_in_name(source.path.name)
        return BscanReader(bscan, count, (height, width), raw.dtype, options, eye=eye)


def _sides(name: str, size: int) -> tuple[int, int, int]:
    """A-scans of a B-scan, B-scans, pixels of an A-scan."""
    said = re.search(r"(\d{2,4})x(\d{1,4})(?!\d)", name)
    if said is not None:
        width, count = int(said[1]), int(said[2])
        if width * count > 0 and size > 0 and size % (width * count) == 0:
            return width, count, size // (width * count)
    for width, count in _PROTOCOLS:
        if size == width * count * _DEPTH_PX:
            return width, count, _DEPTH_PX
    raise ImageRefusedError(
        f"{size} bytes are none of Cirrus's cubes; say its A-scans and B-scans in its name, as in "
        "'scan 512x128.img'"
    )
