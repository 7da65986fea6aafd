"""Images of a TIFF, decoded by rows, with their photometric interpretation applied."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np

from pyengine.formats.axes import check_axes
from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array, Reader, ReadOptions
from pyengine.formats.tiff.calibration import calibration_of
from pyengine.formats.tiff.look import Look
from pyengine.formats.tiff.pages import Stack, find_pages
from pyengine.formats.tiff.rows import RowDecoder

# What is wrong with a file is in the exceptions; without a handler the log goes to stderr, too.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffReader(Reader):
    """Images of a TIFF; only the strips or tiles that hold the wanted rows are decoded.

    Axes are those that OME, ImageJ and others describe. Planes of different channels, which have
    pages of their own, become one image where the network needs so many channels, else images.

    Raises
    ------
    ImageRefusedError
        Pages that are not alike, or whose pixels mean what is not taken; all pages are looked at.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        import tifffile

        self._tiff = tifffile.TiffFile(path)
        try:
            self._pages = find_pages(self._tiff, options.level)
            first = self._pages.page(self._tiff, 0)
            self._look = Look(first, options.indices)
            self.levels = self._pages.levels
            self._name_axes(options)
            self.dtype = self._look.dtype
            self.calibration = calibration_of(self._tiff, first, self.levels, options.level)
            self._decoder = RowDecoder(options.max_pixels)
        except BaseException:
            self._tiff.close()
            raise

    def _name_axes(self, options: ReadOptions) -> None:
        """Say which axis is what: of pages, and of the samples of a pixel."""
        height, width, *samples = self._look.shape
        in_page = "SYX" if self._look.planar else "YXS" if samples else "YX"
        of_pages: Stack = self._pages.stack
        self.axes_by = "the file" if self._pages.said or not of_pages else "lengths"
        sample_axis = "C" if samples else ""
        if options.axes is not None:
            stored = {"Y": height, "X": width, "S": samples[0] if samples else 0}
            plane = tuple(stored[axis] for axis in in_page)
            of_pages, sample_axis = _as_told(options.axes, of_pages, in_page, plane)
            self.axes_by = "--axes"
        # Channels in pages of their own are one image if the network, or the user, means so.
        apart = dict(of_pages).get("C", 0)
        told = options.axes is not None
        self._joined = apart > 0 and (told or (not samples and apart == options.channels))
        self._of_pages, self._sample_axis = of_pages, sample_axis
        channels = apart if self._joined else samples[0] if sample_axis == "C" else 0
        self.shape = (height, width, channels) if channels else (height, width)
        self.axes = "".join(axis for axis, _ in of_pages) + in_page.replace("S", sample_axis)
        stack = [(axis, n) for axis, n in of_pages if axis != "C" or not self._joined]
        if sample_axis not in ("", "C"):
            stack.append((sample_axis, samples[0]))
        self.stack = tuple(stack)
        self.pages = math.prod(n for _, n in stack)
        self.stacked = self.pages > 1

    def rows(self, page: int, begin: int, end: int) -> Array:
        places = np.unravel_index(page, [n for _, n in self.stack]) if self.stack else ()
        at = {axis: int(place) for (axis, _), place in zip(self.stack, places, strict=True)}
        if not self._joined:
            return self._plane(at, begin, end)
        planes = [self._plane({**at, "C": c}, begin, end) for c in range(self.shape[2])]
        return np.stack(planes, -1)

    def _plane(self, at: dict[str, int], begin: int, end: int) -> Array:
        """Rows of the page at these places along its axes."""
        number = 0
        for axis, n in self._of_pages:
            number = number * n + at[axis]
        samples = self._look.apply(self._stored(number, begin, end))
        if self._sample_axis in ("", "C"):
            return samples
        return samples[..., at[self._sample_axis]]

    def _stored(self, number: int, begin: int, end: int) -> Array:
        if self._pages.planes is None:
            return self._decoder.rows(self._pages.page(self._tiff, number), begin, end)
        rows = slice(begin, end)
        if self._look.planar:
            return np.moveaxis(self._pages.planes[number, :, rows], 0, -1)
        return self._pages.planes[number, rows]

    def close(self) -> None:
        if self._pages.planes is not None:
            self._pages.planes.close()
        self._tiff.close()


def _as_told(axes: str, stack: Stack, in_page: str, plane: tuple[int, ...]) -> tuple[Stack, str]:
    """The axis of pages, and that of samples, as the user names them.

    Raises
    ------
    ImageRefusedError
        They are not the file's.
    """
    lengths = [n for _, n in stack]
    if lengths and len(axes) == 1 + len(in_page):
        lengths = [math.prod(lengths)]
    letters = check_axes(axes, (*lengths, *plane))
    own = letters[len(lengths) :]
    if (
        [axis for axis in own if axis in "YX"] != ["Y", "X"]
        or len(own) != len(in_page)
        or any((stored == "S") == (axis in "YX") for axis, stored in zip(own, in_page, strict=True))
    ):
        raise ImageRefusedError(
            f"axes {axes!r}: rows and columns of a TIFF are those of its pages, which are {in_page}"
        )
    sample = next((axis for axis, stored in zip(own, in_page, strict=True) if stored == "S"), "")
    return tuple(zip(letters, lengths, strict=False)), sample
