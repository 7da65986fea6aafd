"""Topcon's FDA, by its published structure: chunks by name.

oct-converter reads it too, but not with NumPy from 2.3 on, and brings OpenCV and ffmpeg along.
https://bitbucket.org/uocte/uocte/wiki/Topcon%20File%20Format
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import Array, Format, Location, Reader, ReadOptions
from pyengine.formats.oct.bscan_reader import BscanReader

_HEADER_BYTES = 15
# Where the sides of the scanned field [mm] and the height of a pixel [um] are, by chunk.
_SIZES = {b"@PARAM_SCAN_04": 12, b"@PARAM_SCAN_02": 21}
_EYES = {0: "R", 1: "L"}
_COMPRESSED, _RAW = b"@IMG_JPEG", b"@IMG_MOT_COMP_03"


class Topcon(Format):
    """B-scans of 8 bits, compressed, or of 16 bits as they are."""

    title = "Topcon FDA"
    suffixes = (".fda",)

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith(b"FOCT")

    def open(self, source: Location, options: ReadOptions) -> Reader:
        file = source.path.open("rb")
        try:
            if file.read(4) != b"FOCT":
                raise ImageRefusedError("is no FDA file")
            chunks = _chunks(file, source.path.stat().st_size)
            scans: Any = _Compressed if _COMPRESSED in chunks else _Raw
            if scans.chunk not in chunks:
                raise ImageRefusedError(
                    "holds no B-scans that are read (IMG_JPEG, IMG_MOT_COMP_03)"
                )
            volume = scans(file, chunks[scans.chunk])
            height, width = volume.size
            check_pixels(height, width, options.max_pixels)
            spacing = _spacing(file, chunks, width, volume.count)
            return BscanReader(
                volume.bscan, volume.count, volume.size, volume.dtype, options, spacing,
                _eye(file, chunks), file.close,
            )  # fmt: skip
        except BaseException:
            file.close()
            raise


class _Compressed:
    """B-scans as JPEG or JPEG 2000, each behind its length."""

    chunk, dtype = _COMPRESSED, np.dtype(np.uint8)

    def __init__(self, file: Any, place: tuple[int, int]) -> None:
        self._file = file
        file.seek(place[0])
        _, _, _, width, height, self.count, _ = struct.unpack("<B6I", file.read(25))
        self.size = height, width
        self._places = []
        at, end = place[0] + 25, sum(place)
        for _ in range(self.count):
            file.seek(at)
            head = file.read(4)
            length = int.from_bytes(head, "little")
            if len(head) < 4 or at + 4 + length > end:
                raise EOFError("the B-scans end before the last")
            self._places.append((at + 4, length))
            at += 4 + length

    def bscan(self, number: int) -> Array:
        from PIL import Image

        at, length = self._places[number]
        self._file.seek(at)
        with Image.open(io.BytesIO(self._file.read(length))) as image:
            if image.size != self.size[::-1] or image.mode != "L":
                raise ImageRefusedError(
                    f"B-scan {number} is {image.mode}, {image.height} x {image.width} px; the file "
                    f"says grey, {self.size[0]} x {self.size[1]}"
                )
            return np.asarray(image)


class _Raw:
    """B-scans of 16 bits."""

    chunk, dtype = _RAW, np.dtype("<u2")

    def __init__(self, file: Any, place: tuple[int, int]) -> None:
        self._file, self._begin = file, place[0] + 22
        file.seek(place[0])
        _, width, height, _, self.count, _, _ = struct.unpack("<B4IBI", file.read(22))
        self.size = height, width
        if 2 * height * width * self.count > place[1] - 22:
            raise EOFError("the B-scans end before the last")

    def bscan(self, number: int) -> Array:
        height, width = self.size
        self._file.seek(self._begin + 2 * number * height * width)
        content = self._file.read(2 * height * width)
        return np.frombuffer(content, self.dtype).reshape(height, width)


def _chunks(file: Any, size: int) -> dict[bytes, tuple[int, int]]:
    """Begin and length of each chunk, the first of each name."""
    found: dict[bytes, tuple[int, int]] = {}
    at = _HEADER_BYTES
    while True:
        file.seek(at)
        name_length = file.read(1)
        if name_length in (b"", b"\0"):
            return found
        name = file.read(name_length[0])
        length = int.from_bytes(file.read(4), "little")
        begin = file.tell()
        if begin + length > size:
            raise EOFError(f"the file ends in the middle of {name.decode(errors='replace')}")
        found.setdefault(name, (begin, length))
        at = begin + length


def _spacing(
    file: Any, chunks: dict[bytes, tuple[int, int]], width: int, count: int
) -> tuple[float | None, float | None, float | None]:
    for name, offset in _SIZES.items():
        if name in chunks:
            file.seek(chunks[name][0] + offset)
            across, along, height_um = struct.unpack("<3d", file.read(24))
            return height_um / 1000, across / width, along / count
    return None, None, None


def _eye(file: Any, chunks: dict[bytes, tuple[int, int]]) -> str | None:
    for name in (b"@CAPTURE_INFO_02", b"@CAPTURE_INFO"):
        if name in chunks:
            file.seek(chunks[name][0])
            return _EYES.get(file.read(1)[0])
    return None
