"""Slides whose files are no TIFFs, by OpenSlide: read by regions, at any level."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import (
    Array,
    Calibration,
    Format,
    Library,
    Location,
    Reader,
    ReadOptions,
)  # fmt: skip


class OpenSlide(Format):
    """MIRAX, Hamamatsu's older files, Sakura; slides that are TIFFs need no library."""

    title = "Slides by OpenSlide (MIRAX, Hamamatsu VMS, Sakura)"
    noun = "slide"
    suffixes = (".mrxs", ".vms", ".vmu", ".svslide")
    libraries = (Library(("openslide",), "slides"),)
    result_suffix = ".ome.tif"

    def open(self, source: Location, options: ReadOptions) -> Reader:
        return OpenSlideReader(source, options)


class OpenSlideReader(Reader):
    """RGB of one level; where nothing was scanned, the background that the slide names, or white.

    A level begins where level 0 does. Where it is not smaller by a whole number, OpenSlide places
    rows to the nearest pixel of level 0.
    """

    axes, axes_by = "YXC", "the file"

    def __init__(self, source: Location, options: ReadOptions) -> None:
        import openslide

        self._slide = openslide.OpenSlide(str(source.path))
        try:
            self.levels = tuple((h, w) for w, h in self._slide.level_dimensions)
            if options.axes is not None:
                raise ImageRefusedError("axes are not chosen in slides: they are YXC")
            if not 0 <= options.level < len(self.levels):
                sizes = ", ".join(f"{n}: {h} x {w} px" for n, (h, w) in enumerate(self.levels))
                raise ImageRefusedError(f"has no level {options.level}; it has {sizes}")
            self._level = options.level
            self.shape = (*self.levels[self._level], 3)
            self.dtype = np.dtype(np.uint8)
            self._zoom = float(self._slide.level_downsamples[self._level])
            properties = self._slide.properties
            colour = properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "FFFFFF")
            self._background = np.frombuffer(bytes.fromhex(colour), np.uint8)
            self.calibration = self._calibration(properties, openslide)
        except BaseException:
            self._slide.close()
            raise

    def _calibration(self, properties: Any, names: Any) -> Calibration | None:
        across = properties.get(names.PROPERTY_NAME_MPP_X)
        down = properties.get(names.PROPERTY_NAME_MPP_Y)
        if across is None or down is None:
            return None
        return Calibration(float(down) * self._zoom, float(across) * self._zoom, "µm")

    def rows(self, page: int, begin: int, end: int) -> Array:
        place = (0, round(begin * self._zoom))
        region = self._slide.read_region(place, self._level, (self.shape[1], end - begin))
        pixels = np.asarray(region)
        alpha = pixels[..., 3:].astype(np.uint16)
        if (alpha == 0xFF).all():
            return pixels[..., :3]
        mixed = pixels[..., :3] * alpha + self._background * (0xFF - alpha)
        return ((mixed + 0x7F) // 0xFF).astype(np.uint8)

    def close(self) -> None:
        self._slide.close()
