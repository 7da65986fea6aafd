"""Results as TIFF: labels in compressed tiles, scores in planes that are filled band by band."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pyengine.formats.format import Array, Band, Calibration, Result
from pyengine.formats.palette import palette

_TILE = 256  # pixels
_SMALLEST_LEVEL = 512  # pixels: a pyramid ends with a level that a screen holds
_BIG_TIFF_BYTES = 3 << 30


def write_labels(path: Path, result: Result, bands: Iterator[Band], ome: bool) -> None:
    """Labels in tiles, with the engine's colours as colour map.

    Large images become a pyramid in OME-TIFF: every second pixel of every second row.
    """
    import tifffile

    height, width = result.page_shape
    options: dict[str, Any] = {"tile": (_TILE, _TILE), "compression": "zlib"} | _colours(result)
    levels = _Levels(path, height, width) if ome and result.pages == 1 else None
    with tifffile.TiffWriter(path, bigtiff=result.size_bytes > _BIG_TIFF_BYTES, ome=ome) as tiff:
        if ome:
            tiles = itertools.chain.from_iterable(
                _tiles(_watched(bands, levels), height) for _ in range(result.pages)
            )
            tiff.write(
                tiles, shape=_ome_shape(result), dtype=result.dtype,
                subifds=len(levels.sizes) if levels else 0, metadata=_ome_notes(result), **options,
            )  # fmt: skip
            for size, rows in levels.read() if levels else ():
                tiff.write(
                    _tiles(rows, size[0]), shape=size, dtype=result.dtype, subfiletype=1,
                    metadata=None, **options,
                )  # fmt: skip
            return
        for page in range(result.pages):
            notes = _notes(result, result.pages, first=page == 0)
            tiff.write(
                _tiles(bands, height), shape=result.page_shape, dtype=result.dtype, metadata=None,
                **options, **notes,
            )  # fmt: skip


def write_scores(path: Path, result: Result, bands: Iterator[Band], ome: bool) -> None:
    """Scores as one plane per class, without compression, so that bands go where they belong."""
    import tifffile

    classes, height, width = result.page_shape
    offsets: list[int] = []
    with tifffile.TiffWriter(path, bigtiff=result.size_bytes > _BIG_TIFF_BYTES, ome=ome) as tiff:
        if ome:
            place = tiff.write(
                None, shape=_ome_shape(result), dtype=result.dtype, photometric="minisblack",
                metadata=_ome_notes(result), returnoffset=True,
            )  # fmt: skip
            plane_bytes = height * width * result.dtype.itemsize
            offsets = [place[0] + n * plane_bytes for n in range(result.pages * classes)]
        for plane in range(0 if ome else result.pages * classes):
            notes = _notes(result, result.pages * classes, first=plane == 0)
            place = tiff.write(
                None, shape=(height, width), dtype=result.dtype, photometric="minisblack",
                metadata=None, returnoffset=True, **notes,
            )  # fmt: skip
            offsets.append(place[0])
    with path.open("r+b") as file:
        for band in bands:
            for number, plane in enumerate(band.values):
                start = offsets[band.page * classes + number]
                file.seek(start + band.begin * width * result.dtype.itemsize)
                file.write(plane.tobytes())


def _colours(result: Result) -> dict[str, Any]:
    if not result.colors:
        return {"photometric": "minisblack"}
    return {"photometric": "palette", "colormap": palette(result.colors).T.astype(np.uint16) * 257}


def _notes(result: Result, images: int, first: bool) -> dict[str, Any]:
    """Calibration in the tags of TIFF, or in the words of ImageJ where these lack the unit."""
    size = result.calibration
    if size is None:
        return {}
    tags: dict[str, Any] = {"resolution": (1 / size.width, 1 / size.height)}
    plain = {"in": "INCH", "cm": "CENTIMETER"}.get(size.unit)
    if plain and size.depth is None:
        return tags | {"resolutionunit": plain}
    tags["resolutionunit"] = "NONE"
    return tags | ({"description": _imagej_words(size, images)} if first else {})


def _imagej_words(size: Calibration, images: int) -> str:
    unit = {"µm": "micron", "in": "inch"}.get(size.unit, size.unit)
    lines = ["ImageJ=1.54f", f"images={images}"]
    lines += [f"slices={images}"] if images > 1 else []
    lines += [f"unit={unit.encode('ascii', 'replace').decode()}"]
    lines += [f"spacing={size.depth!r}"] if size.depth is not None else []
    return "\n".join((*lines, "loop=false", ""))


def _ome_axes(result: Result) -> str:
    """Letters of the whole result.

    What OME has no letter for is written as Z; where two axes would have one name, all as one Z.
    """
    stack = [axis if axis in "TZC" else "Z" for axis, _ in _stack(result)]
    scores = "C" if len(result.page_shape) == 3 else ""
    letters = "".join(stack) + scores
    return letters if len(set(letters)) == len(letters) else "Z" + scores


def _ome_shape(result: Result) -> tuple[int, ...]:
    lengths = [n for _, n in _stack(result)]
    axes = len(_ome_axes(result)) - (len(result.page_shape) - 2)
    if axes < len(lengths):
        lengths = [result.pages]
    return (*lengths, *result.page_shape)


def _stack(result: Result) -> tuple[tuple[str, int], ...]:
    return (result.stack or (("Z", result.pages),)) if result.stacked else ()


def _ome_notes(result: Result) -> dict[str, Any]:
    notes: dict[str, Any] = {"axes": f"{_ome_axes(result)}YX"}
    size = result.calibration
    if size is not None:
        sizes = {"X": size.width, "Y": size.height, "Z": size.depth}
        for axis, value in sizes.items():
            if value is not None:
                notes |= {f"PhysicalSize{axis}": value, f"PhysicalSize{axis}Unit": size.unit}
    return notes


class _Levels:
    """Smaller copies of one image, each half the one before, in files until they are written."""

    def __init__(self, path: Path, height: int, width: int) -> None:
        self.sizes: list[tuple[int, int]] = []
        while max(height, width) > _SMALLEST_LEVEL:
            height, width = -(-height // 2), -(-width // 2)
            self.sizes.append((height, width))
        self._paths = [path.with_name(f"level{n}") for n in range(len(self.sizes))]
        self._files: list[BinaryIO] = [path.open("wb") for path in self._paths]

    def see(self, band: Band) -> None:
        """Note the next rows of the image."""
        for n, file in enumerate(self._files, 1):
            step = 1 << n
            rows = band.values[-band.begin % step :: step, ::step]
            file.write(np.ascontiguousarray(rows).tobytes())

    def read(self) -> Iterator[tuple[tuple[int, int], Iterator[Band]]]:
        """Size and bands of each level."""
        for file, path, size in zip(self._files, self._paths, self.sizes, strict=True):
            file.close()
            yield size, self._bands(path, size)
            path.unlink()

    def _bands(self, path: Path, size: tuple[int, int]) -> Iterator[Band]:
        height, width = size
        with path.open("rb") as file:
            for begin in range(0, height, _TILE):
                rows = min(_TILE, height - begin)
                labels = np.frombuffer(file.read(rows * width), np.uint8).reshape(rows, width)
                yield Band(0, begin, labels)


def _watched(bands: Iterator[Band], levels: _Levels | None) -> Iterator[Band]:
    for band in bands:
        if levels is not None:
            levels.see(band)
        yield band


def _tiles(bands: Iterator[Band], height: int) -> Iterator[Array]:
    """Bands of one page, cut anew into the tiles of a TIFF, row by row."""

    def cut(rows: Array) -> Iterator[Array]:
        for left in range(0, rows.shape[1], _TILE):
            yield rows[:, left : left + _TILE]

    pending: Array | None = None
    for band in bands:
        pending = band.values if pending is None else np.concatenate([pending, band.values])
        while pending.shape[0] >= _TILE:
            yield from cut(pending[:_TILE])
            pending = pending[_TILE:]
        if band.end >= height:
            break
    if pending is not None and pending.shape[0] > 0:
        yield from cut(pending)
