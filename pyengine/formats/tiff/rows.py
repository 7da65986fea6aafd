"""Rows of a TIFF's page: only the strips or tiles that hold them are read and decoded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyengine.formats.boundary import check_pixels
from pyengine.formats.format import Array
from pyengine.formats.tiff.look import JPEG


class RowDecoder:
    """Stored samples of pages, by rows that mostly follow one another.

    What was decoded and reaches below the last wanted row is kept: one row of tiles, or a strip.
    Strips without compression are never read whole.

    Parameters
    ----------
    max_pixels : int
        See `ReadOptions`; of what must be decoded in one piece.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._page: int | None = None
        self._kept: dict[int, tuple[Array | None, tuple[int, ...]]] = {}

    def rows(self, page: Any, begin: int, end: int) -> Array:
        """Rows [begin, end) of a page, shape (rows, W) or (rows, W, C)."""
        if page.offset != self._page:
            self._page, self._kept = page.offset, {}
        out = _plain_rows(page, begin, end) if _is_plain(page) else self._decoded(page, begin, end)
        return out if page.axes != "YX" else out[..., 0]

    def _decoded(self, page: Any, begin: int, end: int) -> Array:
        tiled = page.is_tiled
        height = _strip_height(page)
        check_pixels(height, page.tilewidth if tiled else page.imagewidth, self._max_pixels)
        across = math.ceil(page.imagewidth / page.tilewidth) if tiled else 1
        down = math.ceil(page.imagelength / height)
        channels = int(page.samplesperpixel)
        planes = channels if page.planarconfig == 2 else 1
        out = np.zeros((end - begin, page.imagewidth, channels), page.dtype)
        if page.nodata:
            out[:] = page.nodata
        wanted = range((begin // height) * across, ((end - 1) // height + 1) * across)
        kept = {}
        for index in [plane * down * across + i for plane in range(planes) for i in wanted]:
            segment = self._kept.get(index) or _segment(page, index)
            block, (plane, _, top, left, _) = segment
            if (index // across % down + 1) * height > end:
                kept[index] = segment
            if block is None:
                continue  # a sparse tile
            columns = min(block.shape[1], page.imagewidth - left)
            low, high = max(top, begin), min(top + block.shape[0], end)
            part = slice(None) if planes == 1 else slice(plane, plane + 1)
            if low < high:
                out[low - begin : high - begin, left : left + columns, part] = block[
                    low - top : high - top, :columns
                ]
        self._kept = kept
        return out


def _strip_height(page: Any) -> int:
    return int(page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength))


def _is_plain(page: Any) -> bool:
    """Whether the bytes of strips are the samples, so that rows can be read by themselves."""
    return bool(
        page.compression == 1
        and page.predictor == 1
        and page.fillorder == 1
        and not page.is_tiled
        and page.dtype is not None
        and page.bitspersample == 8 * page.dtype.itemsize
        and all(size > 0 for size in page.databytecounts)
    )


def _plain_rows(page: Any, begin: int, end: int) -> Array:
    height, channels = _strip_height(page), int(page.samplesperpixel)
    planes = channels if page.planarconfig == 2 else 1
    depth = channels // planes
    dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    row_bytes = page.imagewidth * depth * dtype.itemsize
    strips = math.ceil(page.imagelength / height)
    out = np.empty((end - begin, page.imagewidth, channels), page.dtype)
    handle = page.parent.filehandle
    for plane in range(planes):
        for strip in range(begin // height, (end - 1) // height + 1):
            top = strip * height
            low, high = max(top, begin), min(top + height, end, page.imagelength)
            handle.seek(page.dataoffsets[plane * strips + strip] + (low - top) * row_bytes)
            data = handle.read((high - low) * row_bytes)
            if len(data) < (high - low) * row_bytes:
                raise EOFError("the file ends in the middle of its pixels")
            part = slice(None) if planes == 1 else slice(plane, plane + 1)
            samples = np.frombuffer(data, dtype).reshape(high - low, page.imagewidth, depth)
            out[low - begin : high - begin, :, part] = samples
    return out


def _segment(page: Any, index: int) -> tuple[Array | None, tuple[int, ...]]:
    """One strip or tile, shape (rows, columns, channels), and where it lies."""
    decode = page.decode  # reads in the file when it is made, so before the place is sought
    size = page.databytecounts[index]
    data = None
    if size > 0:
        handle = page.parent.filehandle
        handle.seek(page.dataoffsets[index])
        data = handle.read(size)
        if len(data) < size:
            raise EOFError("the file ends in the middle of its pixels")
    tables = {}
    if page.compression in JPEG:
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.keyframe.jpegheader}
    block, place, _ = decode(data, index, **tables)
    return (None if block is None else block[0]), place
