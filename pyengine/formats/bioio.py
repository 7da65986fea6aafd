"""Files of microscopes' makers, by bioio and its plug-ins: read plane by plane."""

from __future__ import annotations

import math
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


class Bioio(Format):
    """One maker's files; of several scenes one is named, as in ``file.czi:/scene``.

    Parameters
    ----------
    title, suffix : str
    plugin : str
        The module of bioio that reads it.
    mark : bytes
        What its files begin with.
    """

    has_names = True
    result_suffix = ".ome.tif"

    def __init__(self, title: str, suffix: str, plugin: str, mark: bytes) -> None:
        self.title, self.noun, self.suffixes = title, f"{suffix[1:].upper()} file", (suffix,)
        self.libraries = (Library(("bioio", plugin), "microscopes"),)
        self._mark = mark

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith(self._mark)

    def open(self, source: Location, options: ReadOptions) -> Reader:
        return BioioReader(source, options)


MICROSCOPES = (
    Bioio("Zeiss CZI", ".czi", "bioio_czi", b"ZISRAWFILE"),
    Bioio("Leica LIF", ".lif", "bioio_lif", b"\x70\0\0\0"),
    Bioio("Nikon ND2", ".nd2", "bioio_nd2", b"\xda\xce\xbe\x0a"),
)


class BioioReader(Reader):
    """One scene: axes as bioio gives them, T, C, Z and of colours S."""

    axes_by = "the file"

    def __init__(self, source: Location, options: ReadOptions) -> None:
        from bioio import BioImage

        if options.axes is not None:
            raise ImageRefusedError("axes are not chosen here: the file names them")
        self._image = BioImage(source.path)
        scenes = list(self._image.scenes)
        name = source.name if source.name is not None else scenes[0]
        if name not in scenes or (source.name is None and len(scenes) > 1):
            raise ImageRefusedError(
                f"{source.path}: name the scene as {source.path}:/NAME; it holds "
                f"{', '.join(scenes)}"
            )
        self._image.set_scene(name)
        self._pixels: Any = self._image.dask_data
        sizes = dict(zip(self._image.dims.order, self._pixels.shape, strict=True))
        self._samples = sizes.pop("S", 0)
        self._joined = not self._samples and sizes.get("C") == options.channels > 1
        channels = self._samples or (sizes["C"] if self._joined else 0)
        size = sizes.pop("Y"), sizes.pop("X")
        self.shape = (*size, channels) if channels else size
        self.dtype = np.dtype(self._pixels.dtype)
        self._order = tuple(sizes)
        if self._joined:
            sizes.pop("C")
        self._stack = tuple(sizes.items())
        self.stack = tuple((axis, n) for axis, n in self._stack if n > 1)
        self.pages = math.prod(sizes.values())
        self.stacked = self.pages > 1
        # Axes of length 1 are bioio's own: it has all five always.
        kept = "".join(axis for axis, n in self._stack if n > 1)
        self.axes = kept + ("C" if self._joined else "") + "YX" + ("C" if self._samples else "")
        self.calibration = self._calibration()

    def _calibration(self) -> Calibration | None:
        size = self._image.physical_pixel_sizes
        if not size.Y or not size.X:
            return None
        return Calibration(float(size.Y), float(size.X), "µm", float(size.Z) if size.Z else None)

    def rows(self, page: int, begin: int, end: int) -> Array:
        places = np.unravel_index(page, [n for _, n in self._stack])
        at = {axis: int(place) for (axis, _), place in zip(self._stack, places, strict=True)}
        key = tuple(at.get(axis, slice(None)) for axis in self._order)
        part = np.asarray(self._pixels[(*key, slice(begin, end))])
        return np.moveaxis(part, 0, -1) if self._joined else part

    def close(self) -> None:
        del self._image, self._pixels
