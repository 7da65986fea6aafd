"""Frames of one DICOM file, decoded one at a time, and what their stored values mean."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.dicom.codecs import add_codecs, plugin_of
from pyengine.formats.dicom.header import read_header
from pyengine.formats.format import Array

_KEYWORDS = {
    (0x7FE0, 0x0008): "FloatPixelData", (0x7FE0, 0x0009): "DoubleFloatPixelData",
    (0x7FE0, 0x0010): "PixelData",
}  # fmt: skip
_GREY, _INVERTED, _PALETTE = "MONOCHROME2", "MONOCHROME1", "PALETTE COLOR"
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


class Frames:
    """Frames of one file.

    Attributes
    ----------
    header : pydicom.Dataset
        Without pixels.
    count : int
    shape : tuple of int
        (H, W) or (H, W, 3)
    dtype : numpy.dtype

    Parameters
    ----------
    path : Path
    max_pixels : int
        Of a frame.

    Raises
    ------
    ImageRefusedError
        No image, or one whose values mean what is not taken.
    """

    def __init__(self, path: Path, max_pixels: int) -> None:
        from pydicom.pixels import get_decoder
        from pydicom.pixels.utils import as_pixel_options

        add_codecs()
        self._file: Any = path.open("rb")
        try:
            self.header = read_header(self._file)
            height, width = _side(self.header, "Rows"), _side(self.header, "Columns")
            check_pixels(height, width, max_pixels)
            syntax = self.header.file_meta.TransferSyntaxUID
            try:
                self._decoder = get_decoder(syntax)
            except NotImplementedError as error:
                raise ImageRefusedError(
                    f"its pixels are {syntax.name}, which is not taken"
                ) from error
            keyword = self._find_pixels(path, syntax)
            self._options = as_pixel_options(self.header)
            self._options |= {"transfer_syntax_uid": syntax, "pixel_keyword": keyword}
            self.count = int(self._options.get("number_of_frames", 1))
            if syntax.is_encapsulated:
                self._find_frames()
            self._packed = self.header.BitsAllocated == 1 and not syntax.is_encapsulated
            self._meaning = _Meaning(self.header, self.count, keyword)
            colour = self._meaning.is_colour
            self.shape = (height, width, 3) if colour else (height, width)
            self.dtype = self._meaning.dtype
        except BaseException:
            self._file.close()
            raise

    def frame(self, number: int) -> Array:
        """One frame, shape `shape`, as its values are meant."""
        if self._packed:
            return self._meaning.apply(self._bits(number), number)
        self._file.seek(self._start)
        stored, _ = self._decoder.as_array(
            self._file, index=number, decoding_plugin=plugin_of(self._decoder), **self._options
        )
        return self._meaning.apply(stored, number)

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _bits(self, number: int) -> Array:
        """A frame of one bit a pixel; only the first of a file begins with a byte."""
        height, width = self.shape[:2]
        begin, end = number * height * width, (number + 1) * height * width
        self._file.seek(self._start + begin // 8)
        wanted = (end + 7) // 8 - begin // 8
        content = self._file.read(wanted)
        if len(content) < wanted:
            raise EOFError("the file ends in the middle of its pixels")
        bits = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")
        return bits[begin % 8 : begin % 8 + height * width].reshape(height, width)

    def _find_pixels(self, path: Path, syntax: Any) -> str:
        """Where the value of the pixels begins; the keyword of its element."""
        import pydicom

        if syntax.is_deflated:
            dataset = pydicom.dcmread(path)
            self._file.close()
            self._file, self._start = io.BytesIO(dataset.PixelData), 0
            return "PixelData"
        head = self._file.read(8)
        order = "<" if syntax.is_little_endian else ">"
        tag = struct.unpack(f"{order}HH", head[:4]) if len(head) == 8 else None
        if tag not in _KEYWORDS:
            raise ImageRefusedError("holds no pixels")
        if not syntax.is_implicit_VR:
            self._file.read(4)
        self._start = self._file.tell()
        return _KEYWORDS[tag]

    def _find_frames(self) -> None:
        """Where each frame lies, of files that do not say it: else each is sought from the first."""
        from pydicom.encaps import parse_basic_offsets, parse_fragments

        if "extended_offsets" in self._options or self.count == 1:
            return
        self._file.seek(self._start)
        if parse_basic_offsets(self._file):
            return
        first = self._file.tell()
        fragments, places = parse_fragments(self._file)
        if fragments == self.count:
            sizes = []
            for place in places:
                self._file.seek(place + 4)
                sizes.append(int.from_bytes(self._file.read(4), "little"))
            self._options["extended_offsets"] = ([place - first for place in places], sizes)


class _Meaning:
    """From stored values to those that are meant: rescaled, black 0, palettes as colours.

    Windows for display (VOI) are not applied.
    """

    def __init__(self, header: Any, frames: int, keyword: str) -> None:
        self._header = header
        self._photometric = photometric = str(header.get("PhotometricInterpretation", "")).strip()
        bits, allocated = header.get("BitsStored"), header.BitsAllocated
        if photometric not in (_GREY, _INVERTED, _PALETTE, *_COLOUR):
            raise ImageRefusedError(
                f"its pixels are {photometric or 'of no stated kind'}, which is not taken"
            )
        if keyword == "PixelData" and header.get("HighBit", bits - 1) != bits - 1:
            raise ImageRefusedError(
                f"HighBit {header.HighBit} with {bits} bits stored is not taken; it must be {bits - 1}"
            )
        self._stored_bits = bits
        self.is_colour = photometric in (_PALETTE, *_COLOUR)
        signed = header.get("PixelRepresentation", 0) == 1
        kinds = {"FloatPixelData": "f4", "DoubleFloatPixelData": "f8"}
        usual = f"{'i' if signed else 'u'}{max(1, allocated // 8)}"
        self.dtype = np.dtype(kinds.get(keyword, usual))
        self._scales = [] if self.is_colour else _scales(header, frames)
        self._lut = "ModalityLUTSequence" in header and not self.is_colour
        if photometric == _PALETTE:
            self._colors, self._first = _palette(header)
            self.dtype = self._colors.dtype
        elif self._lut:
            self.dtype = np.dtype(np.float32)
        elif any(scale != (1, 0) for scale in self._scales):
            whole = all(slope == 1 and offset == int(offset) for slope, offset in self._scales)
            self.dtype = np.dtype(np.int32 if whole and allocated <= 16 else np.float32)
        else:
            self._scales = []
        if photometric == _INVERTED and (self._scales or self._lut or keyword != "PixelData"):
            raise ImageRefusedError(
                "is MONOCHROME1 (white is the smallest value) with a rescale, which is not taken"
            )

    def apply(self, stored: Array, number: int) -> Array:
        from pydicom.pixels import apply_modality_lut

        if self._photometric == _PALETTE:
            entries = np.clip(stored.astype(np.int64) - self._first, 0, len(self._colors) - 1)
            return self._colors[entries]
        if self._lut:
            return np.asarray(apply_modality_lut(stored, self._header)).astype(self.dtype)
        if self._scales:
            slope, offset = self._scales[number if len(self._scales) > 1 else 0]
            return (stored * np.float64(slope) + offset).astype(self.dtype)
        if self._photometric == _INVERTED:
            highest = -1 if self.dtype.kind == "i" else (1 << self._stored_bits) - 1
            return np.subtract(highest, stored, dtype=self.dtype)
        return stored.astype(self.dtype, copy=False)


def _palette(header: Any) -> tuple[Array, int]:
    """Colours, and the stored value of the first.

    Entries of 16 bits that repeat 8, or have them above zeros, are of 8 bits.
    """
    from pydicom.pixels import apply_color_lut

    count, first, _ = header.RedPaletteColorLookupTableDescriptor
    if header.PixelRepresentation == 1 and first >= 1 << 15:
        first -= 1 << 16
    entries = np.arange(int(count) or 1 << 16) + int(first)
    colors = np.asarray(apply_color_lut(entries, header))
    high = colors >> 8
    if colors.dtype == np.uint16 and any((colors == high * f).all() for f in (256, 257)):
        colors = high.astype(np.uint8)
    return np.ascontiguousarray(colors), int(first)


def _side(header: Any, name: str) -> int:
    side = header.get(name)
    if not side:
        what = header.SOPClassUID.name if "SOPClassUID" in header else "no image"
        raise ImageRefusedError(f"holds no image ({what})")
    return int(side)


def _scales(header: Any, frames: int) -> list[tuple[float, float]]:
    """Slope and intercept of all frames, or of each."""
    if "RescaleSlope" in header:
        return [(float(header.RescaleSlope), float(header.get("RescaleIntercept", 0)))]
    found = []
    shared = header.get("SharedFunctionalGroupsSequence", [None])
    each = header.get("PerFrameFunctionalGroupsSequence") or [None] * frames
    for groups in each:
        own = [g.PixelValueTransformationSequence[0] for g in (groups, *shared)
               if g is not None and "PixelValueTransformationSequence" in g]  # fmt: skip
        found.append(
            (float(own[0].RescaleSlope), float(own[0].RescaleIntercept)) if own else (1.0, 0.0)
        )
    return found if len(set(found)) > 1 else found[:1]
