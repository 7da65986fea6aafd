"""TIFF, also of many pages: strips and tiles are decoded and written as they are needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyengine.formats.format import Array, Band, Format, Location, Reader, ReadOptions, Result
from pyengine.formats.tiff.reader import TiffReader

_TILE = 256  # pixels
# Of both byte orders, TIFF and BigTIFF.
_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class Tiff(Format):
    """Labels in compressed tiles; scores as one plane per class, without compression."""

    title = "TIFF"
    suffixes = (".tif", ".tiff")
    written_suffixes = suffixes

    def is_begun_by(self, head: bytes) -> bool:
        return head[:4] in _MARKS

    def open(self, source: Location, options: ReadOptions) -> Reader:
        return TiffReader(source.path, options)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        import tifffile

        height = result.page_shape[-2]
        with tifffile.TiffWriter(target.path, bigtiff=result.size_bytes > 3 << 30) as tiff:
            for _ in range(result.pages):
                if len(result.page_shape) == 2:
                    tiff.write(
                        _tiles(bands, height),
                        shape=result.page_shape,
                        dtype=result.dtype,
                        tile=(_TILE, _TILE),
                        compression="zlib",
                        photometric="minisblack",
                        metadata=None,
                    )
                else:
                    # Planes of one page come band by band, so they are gathered first.
                    scores = np.empty(result.page_shape, result.dtype)
                    for band in _page(bands, height):
                        scores[:, band.begin : band.end] = band.values
                    for plane in scores:
                        tiff.write(plane, photometric="minisblack", metadata=None)


def _page(bands: Iterator[Band], height: int) -> Iterator[Band]:
    """The bands of one page."""
    for band in bands:
        yield band
        if band.end >= height:
            return


def _tiles(bands: Iterator[Band], height: int) -> Iterator[Array]:
    """Bands of one page, cut anew into the tiles of a TIFF, row by row."""

    def cut(rows: Array) -> Iterator[Array]:
        for left in range(0, rows.shape[1], _TILE):
            yield rows[:, left : left + _TILE]

    pending: Array | None = None
    for band in _page(bands, height):
        pending = band.values if pending is None else np.concatenate([pending, band.values])
        while pending.shape[0] >= _TILE:
            yield from cut(pending[:_TILE])
            pending = pending[_TILE:]
    if pending is not None and pending.shape[0] > 0:
        yield from cut(pending)
