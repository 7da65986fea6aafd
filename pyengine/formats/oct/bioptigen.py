"""Bioptigen's OCT, by its published structure: fields of name, length and value."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import Array, Format, Location, Reader, ReadOptions
from pyengine.formats.oct.bscan_reader import BscanReader, eye_in_name

_CONTAINERS = ("FRAMEHEADER", "FRAMEDATA")
_PIXELS = "FRAMESAMPLES"
_LONGEST_NAME = 64
_RASTER = 1  # of kinds of scans: B-scans side by side


@dataclass
class _Fields:
    """Fields of a file: numbers by name, and where the pixels of each frame lie."""

    values: dict[str, bytes] = field(default_factory=dict)
    frames: list[tuple[int, int]] = field(default_factory=list)

    def number(self, name: str) -> int:
        return int.from_bytes(self.values[name], "little")

    def length_mm(self, name: str) -> float | None:
        value = self.values.get(name, b"")
        return struct.unpack("<d", value)[0] if len(value) == 8 else None


class Bioptigen(Format):
    """B-scans of 16 bits, whose A-scans are stored one after another."""

    title = "Bioptigen OCT"
    suffixes = (".oct",)

    def is_begun_by(self, head: bytes) -> bool:
        return head[6:10] == b"\x0b\0\0\0" and head[10:21] == b"FRAMEHEADER"

    def open(self, source: Location, options: ReadOptions) -> Reader:
        file = source.path.open("rb")
        try:
            if not self.is_begun_by(file.read(32)):
                raise ImageRefusedError("is no Bioptigen file (others are called .OCT, too)")
            fields = _read(file, source.path.stat().st_size)
            height, width = fields.number("LINELENGTH"), fields.number("LINECOUNT")
            check_pixels(height, width, options.max_pixels)
            if any(length != 2 * height * width for _, length in fields.frames):
                raise ImageRefusedError(f"holds B-scans that are not {height} x {width} of 16 bits")
            frames = fields.frames

            def bscan(number: int) -> Array:
                file.seek(frames[number][0])
                content = file.read(2 * height * width)
                return np.frombuffer(content, "<u2").reshape(width, height).T

            return BscanReader(
                bscan, len(frames), (height, width), np.dtype("<u2"), options,
                _spacing(fields, height, width), eye_in_name(source.path.name), file.close,
            )  # fmt: skip
        except BaseException:
            file.close()
            raise


def _read(file: Any, size: int) -> _Fields:
    found = _Fields()
    file.seek(6)  # mark and version
    while len(head := file.read(4)) == 4:
        name_length = int.from_bytes(head, "little")
        if name_length == 0:
            continue  # the end of a container
        if name_length > _LONGEST_NAME:
            raise ValueError(f"a name of {name_length} characters")
        name = file.read(name_length).decode("ascii").rstrip("\0")
        length = int.from_bytes(file.read(4), "little")
        begin = file.tell()
        if name in _CONTAINERS:
            continue
        if begin + length > size:
            raise EOFError(f"the file ends in the middle of {name}")
        if name == _PIXELS:
            found.frames.append((begin, length))
        elif length <= _LONGEST_NAME:
            found.values.setdefault(name, file.read(length))
        file.seek(begin + length)
    return found


def _spacing(
    fields: _Fields, height: int, width: int
) -> tuple[float | None, float | None, float | None]:
    depth, across, along = map(fields.length_mm, ("SCANDEPTH", "AZSCANLENGTH", "ELSCANLENGTH"))
    across = across or fields.length_mm("SCANLENGTH")
    is_raster = "SCANTYPE" in fields.values and fields.number("SCANTYPE") == _RASTER
    return (
        depth / height if depth else None,
        across / width if across else None,
        along / len(fields.frames) if along and is_raster else None,
    )
