"""File formats: what images are read from, and what results are written to.

`FORMATS` lists them. Each is one file: recognition, reader and writer.
"""

from __future__ import annotations

from pyengine.formats.format import Array, Band, Format, Location, Reader, Result
from pyengine.formats.registry import FORMATS, open_image, read_image

__all__ = [
    "FORMATS", "Array", "Band", "Format", "Location", "Reader", "Result", "open_image",
    "read_image",
]  # fmt: skip
