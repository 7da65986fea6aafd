"""File formats: what images are read from, and what results are written to.

`FORMATS` lists them. Each is one file: recognition, reader and writer.

Pixels are read as the file means them, or the file is refused by name:

- Numbers of any type are taken where float32 holds each of them; bool arrays are 0 and 1, images
  of one bit 0 (black) and 255 (white). PNG, PGM and PPM of 2 to 7 bits are spread over 0 to 255;
  TIFF of such depths keeps its numbers.
- A channel is dropped only where it carries nothing: alpha that is opaque everywhere, and the
  equal channels of a grey image stored as colour, for a network of one channel.
- EXIF's orientation is applied; a TIFF whose Orientation is not 1 is refused.
- TIFF: black is 0, so WhiteIsZero is inverted; palettes and YCbCr inside JPEG become RGB; CMYK,
  CIELAB, YCbCr without JPEG and others are refused. Full size is read: reduced pages, masks and a
  slide's label and overview are left out; the remaining pages must be alike. Aperio's JPEG 2000 of
  YCbCr becomes RGB.
- A file's content decides its format, its name where the content has no mark.
- Axes are those that a file names (OME, ImageJ, CZI), else told by lengths; ``axes=`` overrules
  both. Along all but Y, X and the network's channels lie images that are segmented one by one.
- Of a pyramid level 0 is read, or ``level=``.
- What must be decoded in one piece has at most ``max_pixels``.
- Animations (GIF, WebP, PNG) are refused: they are not one image.
- Results keep what their source says and their format can hold: size of pixels, axes of stacks.
  Labels carry the engine's colours as palette (PNG) or colour map (TIFF), their numbers unchanged.
- MATLAB's arrays are read with the axes that MATLAB shows, (H, W), (H, W, C), (H, W, N) and
  (H, W, C, N).
"""

from __future__ import annotations

from pyengine.formats.format import (
    Array,
    Band,
    Calibration,
    Format,
    Library,
    Location,
    Reader,
    ReadOptions,
    Result,
)  # fmt: skip
from pyengine.formats.registry import FORMATS, open_image, read_image

__all__ = [
    "FORMATS", "Array", "Band", "Calibration", "Format", "Library", "Location", "ReadOptions",
    "Reader", "Result", "open_image", "read_image",
]  # fmt: skip
