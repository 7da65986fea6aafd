"""PNG, JPEG and other formats of Pillow: read and written whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.arguments import Output
from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import (
    Array,
    Band,
    Calibration,
    Format,
    Location,
    Reader,
    ReadOptions,
    Result,
    fill,
)  # fmt: skip
from pyengine.formats.palette import palette

_MAX_8_BIT, _MAX_16_BIT = 0xFF, 0xFFFF
_ORIENTATION = 274  # a tag of EXIF
_ON_ITS_SIDE = (5, 6, 7, 8)
_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")
_PNM = rb"P[1-6][\s#]"
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "F")


class Pillow(Format):
    """Read whatever Pillow opens; labels are written as PNG.

    Images of one bit are black 0 and white 255; palettes and EXIF's orientation are applied.
    """

    title = "PNG, JPEG, ..."
    noun = "image"
    suffixes = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".webp")
    written_suffixes = (".png",)

    def is_begun_by(self, head: bytes) -> bool:
        webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
        bmp = head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"
        return webp or bmp or head.startswith(_MARKS) or re.match(_PNM, head) is not None

    def open(self, source: Location, options: ReadOptions) -> Reader:
        pixels, calibration = _read(source.path, options)
        said = "YX" if pixels.ndim == 2 else "YXC"
        reader = ArrayReader(pixels, options, said=said)
        reader.calibration = calibration
        return reader

    def why_not(self, output: Output, stacked: bool) -> str:
        if output != "labels" or stacked:
            return "PNG holds the labels of one image"
        return ""

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        from PIL import Image

        labels = np.empty(result.shape, np.uint8)
        fill(labels, result, bands)
        image = Image.fromarray(labels)
        if result.colors:
            image = image.convert("L")
            image.putpalette(palette(result.colors).tobytes())
        size = result.calibration and result.calibration.in_unit("in")
        if size is None:
            image.save(target.path)
        else:
            image.save(target.path, dpi=(1 / size.width, 1 / size.height))


def _read(path: Path, options: ReadOptions) -> tuple[Array, Calibration | None]:
    from PIL import Image, ImageOps

    # Pillow's own limit is below what microscopes give.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as file:
            check_pixels(file.height, file.width, options.max_pixels)
            _refuse(file)
            calibration = _calibration(file)
            if _is_deep_png(path):
                return _deep_png(path, file), calibration
            image: Image.Image = file
            if options.indices and image.mode == "P":
                return np.asarray(image), calibration
            if image.has_transparency_data and image.mode in ("L", "RGB", "P"):
                image = image.convert("LA" if image.mode == "L" else "RGBA")
            plain = {"1": "L", "P": "RGB"}.get(image.mode)
            upright = ImageOps.exif_transpose(image.convert(plain) if plain else image)
            array = np.asarray(upright)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if array.dtype == np.int32 and array.min() >= 0 and array.max() <= _MAX_16_BIT:
        array = array.astype(np.uint16)  # Pillow's mode "I": PGM of 16 bits
    return array, calibration


def _calibration(image: Any) -> Calibration | None:
    """By the dots per inch that a file states."""
    dpi = image.info.get("dpi")
    if not dpi or len(dpi) != 2 or not all(0 < float(n) < 1e9 for n in dpi):
        return None
    across, down = (float(n) for n in dpi)
    if image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE:
        across, down = down, across
    return Calibration(1 / down, 1 / across, "in")


def _refuse(image: Any) -> None:
    """Refuse what Pillow reads as other values than the file means."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a photograph, beside it its previews
        raise ImageRefusedError(
            f"is an animation of {frames} frames, not one image; save its frames as images or "
            "as the pages of a TIFF"
        )
    if image.mode not in _MODES and not image.mode.startswith("I;16"):
        raise ImageRefusedError(
            f"its pixels are {image.mode}, which is not taken; convert it to grey or RGB"
        )
    if image.format == "PPM":
        maximum = _pnm_maximum(Path(image.filename))
        if maximum > _MAX_8_BIT and (maximum != _MAX_16_BIT or image.mode not in ("I", "I;16")):
            raise ImageRefusedError(
                f"a PNM image of {image.mode} with values up to {maximum} is not taken; write it "
                "as PNG or TIFF"
            )


def _pnm_maximum(path: Path) -> int:
    """The largest value that a PGM or PPM declares; 1 for other headers."""
    with path.open("rb") as file:
        header = re.sub(rb"#[^\n]*\n", b"", file.read(1024))
    match = re.match(rb"P[2356]\s+\d+\s+\d+\s+(\d+)\s", header)
    return int(match[1]) if match else 1


def _is_deep_png(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(25)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16  # bits per sample


def _deep_png(path: Path, image: Any) -> Array:
    """16 bits per sample, of which Pillow keeps 8 in colour."""
    import imagecodecs

    if "transparency" in image.info:
        raise ImageRefusedError("a PNG of 16 bits with a transparent colour is not taken")
    if image.getexif().get(_ORIENTATION, 1) != 1:
        raise ImageRefusedError("a PNG of 16 bits that is not stored upright is not taken")
    return np.asarray(imagecodecs.png_decode(path.read_bytes()))
