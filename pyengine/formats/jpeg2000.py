"""JPEG 2000, of any depth: read whole by imagecodecs, which keeps what Pillow would round."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import Format, Location, Reader, ReadOptions

_FILE = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # its first two markers
# Colour spaces of the standard's "colr" box whose numbers are grey or RGB.
_TAKEN = {16: "sRGB", 17: "grey"}
_REFUSED = {12: "CMYK", 14: "CIELab", 18: "sYCC"}


class Jpeg2000(Format):
    """Files (.jp2) and bare codestreams (.j2k), grey or RGB."""

    title = "JPEG 2000"
    suffixes = (".jp2", ".j2k", ".j2c", ".jpx")

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith((_FILE, _CODESTREAM))

    def open(self, source: Location, options: ReadOptions) -> Reader:
        import imagecodecs

        data = source.path.read_bytes()
        stream = data.find(_CODESTREAM)
        if stream < 0 or len(data) < stream + 24:
            raise ValueError("holds no image")
        right, bottom, left, top = struct.unpack(">4I", data[stream + 8 : stream + 24])
        check_pixels(bottom - top, right - left, options.max_pixels)
        for kind in _colour_spaces(data[:stream]):
            if kind not in _TAKEN:
                raise ImageRefusedError(
                    f"its colours are {_REFUSED.get(kind, f'of kind {kind}')}, which is not taken; "
                    "convert it to grey or RGB"
                )
        pixels = np.asarray(imagecodecs.jpeg2k_decode(data))
        return ArrayReader(pixels, options, said="YX" if pixels.ndim == 2 else "YXC")


def _colour_spaces(boxes: bytes) -> Iterator[int]:
    """Those that a file numbers; others are described by profiles, of grey or RGB."""
    place = 0
    while (place := boxes.find(b"colr", place)) >= 0:
        place += 4
        if boxes[place : place + 1] == b"\1" and len(boxes) >= place + 7:
            yield int.from_bytes(boxes[place + 3 : place + 7], "big")
