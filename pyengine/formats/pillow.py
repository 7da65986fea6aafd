"""PNG, JPEG and other formats of Pillow: read and written whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pyengine.arguments import Output
from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.channels import fit_channels
from pyengine.formats.format import Array, Band, Format, Location, Reader, Result, fill


class Pillow(Format):
    """Read whatever Pillow opens; labels are written as PNG."""

    title = "PNG, JPEG, ..."
    suffixes = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".webp")
    written_suffixes = (".png",)

    def open(self, source: Location, channels: int) -> Reader:
        return ArrayReader(fit_channels(_read(source.path), channels), channels)

    def why_not(self, output: Output, stacked: bool) -> str:
        if output != "labels" or stacked:
            return "PNG holds the labels of one image"
        return ""

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        from PIL import Image

        labels = np.empty(result.shape, np.uint8)
        fill(labels, result, bands)
        Image.fromarray(labels).save(target.path)


def _read(path: Path) -> Array:
    from PIL import Image

    # Large microscopy images are no decompression bombs; the caller chose the file.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            plain = {"1": "L", "P": "RGB"}.get(image.mode)
            array = np.asarray(image.convert(plain) if plain else image)
    except (OSError, SyntaxError) as error:
        raise OSError(f"{path}: not a readable image ({error})") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if array.dtype == np.int32:  # Pillow's mode "I": 16-bit PNG
        array = array.astype(np.uint16)
    return array
