"""Pages of a TIFF, decoded by rows, with their photometric interpretation applied."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array, Reader, ReadOptions

# Values of tags, as in the TIFF 6.0 specification.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = (6, 7, 33007, 34892)  # compressions whose decoder gives RGB for YCbCr
# (Those that an older tifffile does not know, it reads as plain TIFF.)
_SLIDES = ("svs", "ndpi", "scn", "bif", "philips", "qpi", "avs")

# What is wrong with a file is in the exceptions; without a handler the log goes to stderr, too.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffReader(Reader):
    """Pages of a TIFF; only the strips or tiles that hold the wanted rows are decoded.

    Of a pyramid the full resolution is read; reduced images, masks, and the label and overview of
    a slide are left out. The other pages must be alike.

    Raises
    ------
    ImageRefusedError
        Pages that are not alike, or whose pixels mean what is not taken; all pages are looked at.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        import tifffile

        self._tiff = tifffile.TiffFile(path)
        try:
            self._pages = _full_pages(self._tiff)
            first = self._page(0)
            self._planes = _planes_without_pages(self._tiff, first, len(self._pages))
            self.pages = len(self._pages) if self._planes is None else len(self._planes)
            self.stacked = self.pages > 1
            self._look = Look(first)
            self.dtype, self.shape = self._look.dtype, self._look.shape
        except BaseException:
            self._tiff.close()
            raise

    def rows(self, page: int, begin: int, end: int) -> Array:
        if self._planes is None:
            return self._look.apply(_decoded_rows(self._page(page), begin, end))
        plane = np.asarray(self._planes[page])
        if self._look.planar:
            return self._look.apply(np.moveaxis(plane[:, begin:end], 0, -1))
        return self._look.apply(plane[begin:end])

    def close(self) -> None:
        self._tiff.close()

    def _page(self, number: int) -> Any:
        page = self._pages[number]
        return self._tiff.pages[page] if isinstance(page, int) else page


class Look:
    """What the stored samples of a page mean, as far as they are taken.

    Parameters
    ----------
    page : tifffile.TiffPage

    Attributes
    ----------
    shape : tuple of int
        (H, W) or (H, W, C)
    dtype : numpy.dtype
        Of what `apply` returns.
    planar : bool
        Whether each channel is stored by itself.
    """

    def __init__(self, page: Any) -> None:
        if page.axes not in ("YX", "YXS", "SYX"):
            raise ImageRefusedError(
                f"pages of shape {tuple(page.shape)} are not (H, W) or (H, W, C)"
            )
        self.planar = page.axes == "SYX"
        stored = tuple(page.shape)
        self.shape = (*stored[1:], stored[0]) if self.planar else stored
        self.dtype = np.dtype(page.dtype)
        self._bits = int(page.bitspersample)
        self._white_is_zero = page.photometric == _WHITE_IS_ZERO
        self._colors: Array | None = None
        _refuse_photometric(page)
        _refuse_orientation(page)
        if self._white_is_zero and self.dtype.kind not in "bu":
            raise ImageRefusedError(f"WhiteIsZero of {self.dtype} values is not taken")
        if page.photometric == _PALETTE:
            if page.colormap is None:
                raise ImageRefusedError("a palette image without a colour map")
            self._colors = np.ascontiguousarray((page.colormap >> 8).T.astype(np.uint8))
            self.shape = (*self.shape[:2], 3)
        if self._colors is not None or self.dtype.kind == "b":
            self.dtype = np.dtype(np.uint8)

    def apply(self, samples: Array) -> Array:
        """Stored rows as pixels, black 0 and white the largest value."""
        if self._colors is not None:
            return np.asarray(self._colors[samples])
        if samples.dtype.kind == "b":
            return np.where(samples != self._white_is_zero, np.uint8(255), np.uint8(0))
        if self._white_is_zero:
            return np.subtract((1 << self._bits) - 1, samples, dtype=samples.dtype)
        return samples


def _refuse_photometric(page: Any) -> None:
    photometric, compression = page.photometric, page.compression
    taken = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE)
    if photometric in taken or (photometric == _YCBCR and compression in _JPEG):
        return
    name = getattr(photometric, "name", photometric)
    without = " without JPEG compression" if photometric == _YCBCR else ""
    raise ImageRefusedError(
        f"its pixels are {name}{without}, which is not taken; convert it to grey or RGB"
    )


def _refuse_orientation(page: Any) -> None:
    orientation = page.tags.valueof(274, 1)
    if orientation != 1:
        raise ImageRefusedError(
            f"its Orientation tag is {int(orientation)}, and only upright images (1) are taken; "
            "write it upright"
        )


def _full_pages(tiff: Any) -> list[Any]:
    """Numbers of the pages that are images of full size; the pages themselves for slides.

    Raises
    ------
    ImageRefusedError
        They are not alike, or one is not taken.
    """
    if any(getattr(tiff, f"is_{slide}", False) for slide in _SLIDES):
        return list(tiff.series[0].levels[0].pages)
    kept: list[int] = []
    first: Any = None
    for number, page in enumerate(tiff.pages):
        if page.is_reduced or page.is_mask:
            continue
        look = Look(page)
        alike = look.shape, np.dtype(page.dtype), page.photometric, page.planarconfig
        if first is None:
            first, shape = alike, look.shape
        if alike != first:
            raise ImageRefusedError(
                f"page {number} is {page.dtype} {look.shape}, the first {first[1]} {shape}; "
                "pages must be alike"
            )
        kept.append(number)
    if not kept:
        raise ImageRefusedError("holds no page of full size")
    return kept


def _planes_without_pages(tiff: Any, first: Any, pages: int) -> Array | None:
    """All planes where a file describes more of them than it has pages, mapped; else None.

    ImageJ (stacks over 4 GB), tifffile ("truncate") and MetaMorph store one page and the planes
    in a row.
    """
    if not (tiff.is_imagej or tiff.is_shaped or tiff.is_stk):
        return None
    series = tiff.series[0]
    planes = math.prod(series.shape) // math.prod(first.shape)
    if planes <= pages:
        return None
    if series.dataoffset is None:
        raise ImageRefusedError(f"describes {planes} planes, of which only {pages} can be reached")
    return np.memmap(
        tiff.filehandle.path,
        np.dtype(first.dtype).newbyteorder(tiff.byteorder),
        "r",
        series.dataoffset,
        (planes, *first.shape),
    )


def _decoded_rows(page: Any, begin: int, end: int) -> Array:
    """Stored samples of rows [begin, end), shape (rows, W) or (rows, W, C)."""
    tiled = page.is_tiled
    height = page.tilelength if tiled else min(page.rowsperstrip, page.imagelength)
    across = math.ceil(page.imagewidth / page.tilewidth) if tiled else 1
    down = math.ceil(page.imagelength / height)
    channels = int(page.samplesperpixel)
    planes = channels if page.planarconfig == 2 else 1
    out = np.zeros((end - begin, page.imagewidth, channels), page.dtype)
    if page.nodata:
        out[:] = page.nodata
    wanted = range((begin // height) * across, ((end - 1) // height + 1) * across)
    for index in [plane * down * across + i for plane in range(planes) for i in wanted]:
        block, (plane, _, top, left, _) = _segment(page, index)
        if block is None:
            continue  # a sparse tile
        columns = min(block.shape[1], page.imagewidth - left)
        low, high = max(top, begin), min(top + block.shape[0], end)
        part = slice(None) if planes == 1 else slice(plane, plane + 1)
        if low < high:
            out[low - begin : high - begin, left : left + columns, part] = block[
                low - top : high - top, :columns
            ]
    return out if page.axes != "YX" else out[..., 0]


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
    if page.compression in _JPEG:
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.keyframe.jpegheader}
    block, place, _ = decode(data, index, **tables)
    return (None if block is None else block[0]), place
