"""TIFF, also of many pages: strips and tiles are decoded and written as they are needed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.format import Array, Band, Format, Location, Reader, Result

_TILE = 256  # pixels


class Tiff(Format):
    """Labels in compressed tiles; scores as one plane per class, without compression."""

    title = "TIFF"
    suffixes = (".tif", ".tiff")
    written_suffixes = suffixes

    def open(self, source: Location, channels: int) -> Reader:
        import tifffile

        try:
            return _TiffReader(source.path)
        except tifffile.TiffFileError as error:
            raise OSError(f"{source.path}: not a readable TIFF ({error})") from error

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


class _TiffReader(Reader):
    """Pages of a TIFF; only the strips or tiles that hold the wanted rows are decoded."""

    def __init__(self, path: Path) -> None:
        import tifffile

        self._tiff = tifffile.TiffFile(path)
        first: Any = self._tiff.pages[0]
        self.pages = len(self._tiff.pages)
        self.stacked = self.pages > 1
        self.dtype, self.shape = np.dtype(first.dtype), tuple(first.shape)
        if len(self.shape) not in (2, 3) or (first.planarconfig == 2 and len(self.shape) == 3):
            raise ValueError(f"{path}: pages of shape {self.shape} are not (H, W) or (H, W, C)")

    def rows(self, page: int, begin: int, end: int) -> Array:
        tiff_page: Any = self._tiff.pages[page]
        if tuple(tiff_page.shape) != self.shape or tiff_page.dtype != self.dtype:
            raise ValueError(
                f"page {page} is {tiff_page.dtype} {tiff_page.shape}, the first {self.dtype} "
                f"{self.shape}; pages must be alike"
            )
        segment_rows = tiff_page.tilelength if tiff_page.is_tiled else tiff_page.rowsperstrip
        across = math.ceil(tiff_page.imagewidth / tiff_page.tilewidth) if tiff_page.is_tiled else 1
        first, last = begin // segment_rows, (end - 1) // segment_rows
        out = np.zeros((end - begin, *self.shape[1:]), self.dtype)
        handle = tiff_page.parent.filehandle
        for index in range(first * across, min((last + 1) * across, len(tiff_page.dataoffsets))):
            offset, size = tiff_page.dataoffsets[index], tiff_page.databytecounts[index]
            if size == 0:
                continue  # a sparse tile: zeros
            handle.seek(offset)
            tables = {"jpegtables": tiff_page.jpegtables} if tiff_page.jpegtables else {}
            data, place, _ = tiff_page.decode(handle.read(size), index, **tables)
            if data is None:
                continue
            rows, columns = data.shape[1], data.shape[2]
            top, left = place[2], place[3]
            columns = min(columns, self.shape[1] - left)
            low, high = max(top, begin), min(top + rows, end)
            if low >= high:
                continue
            block = data[0, low - top : high - top, :columns]
            out[low - begin : high - begin, left : left + columns] = (
                block if len(self.shape) == 3 else block[..., 0]
            )
        return out

    def close(self) -> None:
        self._tiff.close()


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
