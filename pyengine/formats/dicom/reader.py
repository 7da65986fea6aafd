"""Images of DICOM files, as rows of pages."""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.dicom.frames import Frames
from pyengine.formats.dicom.header import (
    groups_of,
    laterality,
    orientation,
    pixel_spacing,
    positions,
)  # fmt: skip
from pyengine.formats.dicom.segments import SegmentFrames, is_segmentation
from pyengine.formats.format import Array, Calibration, Reader
from pyengine.formats.geometry import Geometry

# Of the gaps between slices: how much they may differ to have one spacing.
_UNEVEN = 0.01
_ROWS_OF_TILES_KEPT = 3


class StackReader(Reader):
    """Slices: the frames of one file, or the files of a series.

    Frames come in the file's order where they lie in a row, else, like files, along their normal.

    Parameters
    ----------
    files : sequence of Path
        Sorted along their normal.
    max_pixels : int

    Raises
    ------
    ImageRefusedError
        Several images lie at one place, or they are not alike.
    """

    axes_by = "the file"

    def __init__(self, files: tuple[Path, ...], max_pixels: int) -> None:
        self._files, self._max_pixels = files, max_pixels
        self._open: tuple[int, Frames | SegmentFrames] | None = None
        self._kept: tuple[int, Array] | None = None
        first = self._frames(0)
        header = first.header
        self.shape, self.dtype = first.shape, first.dtype
        several = len(files) > 1
        self.pages = len(files) if several else first.count
        self.stacked = self.pages > 1
        self._order = list(range(self.pages))
        if several:
            places = self._look_at_all()
        elif isinstance(first, SegmentFrames):
            places = first.places
        else:
            places = positions(header)
            order = frame_order(header)
            if order is not None:
                self._order, places = order, [places[number] for number in order]
        self.axes = ("ZYX" if self.stacked else "YX") + ("C" if len(self.shape) > 2 else "")
        self.stack = (("Z", self.pages),) if self.stacked else ()
        self._place(header, places)
        side = laterality(header)
        self.notes = {"laterality": side} if side else {}

    def rows(self, page: int, begin: int, end: int) -> Array:
        if self._kept is None or self._kept[0] != page:
            number = self._order[page]
            several = len(self._files) > 1
            frames = self._frames(number if several else 0)
            array = frames.frame(0 if several else number).astype(self.dtype, copy=False)
            self._kept = page, array
        return self._kept[1][begin:end]

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _look_at_all(self) -> list[tuple[float, ...]]:
        """Where the files' images lie; refused if they are not alike."""
        places = []
        for number, path in enumerate(self._files):
            one = self._frames(number)
            if one.shape != self.shape:
                raise ImageRefusedError(f"{path.name} differs in size from the others")
            self.dtype = np.result_type(self.dtype, one.dtype)
            places += positions(one.header)
        return places

    def _frames(self, number: int) -> Frames | SegmentFrames:
        """Those of a file; one is open at a time."""
        if self._open is None or self._open[0] != number:
            self.close()
            try:
                frames = Frames(self._files[number], self._max_pixels)
                segments = is_segmentation(frames.header)
                self._open = number, SegmentFrames(frames) if segments else frames
            except ImageRefusedError as error:
                if len(self._files) > 1:
                    raise ImageRefusedError(f"{self._files[number].name}: {error}") from error
                raise
        return self._open[1]

    def _place(self, header: Any, places: list[tuple[float, ...]]) -> None:
        """Calibration and geometry, as far as the files tell them."""
        spacing, turn = pixel_spacing(header), orientation(header)
        if spacing is None:
            return
        depth = None
        if turn is not None and len(places) == self.pages > 0:
            steps = np.diff(np.array(places), axis=0)
            gaps = np.linalg.norm(steps, axis=1)
            if len(steps) and gaps.min() < 1e-6 * max(1.0, float(gaps.max())):
                raise ImageRefusedError(
                    f"{int((gaps < 1e-6).sum())} of its {self.pages} images lie where another does: "
                    "several volumes in one series; put each into a folder of its own"
                )
            across, down = np.array(turn[:3]), np.array(turn[3:])
            step = steps.mean(0) if len(steps) else _thickness(header) * np.cross(across, down)
            even = not len(steps) or bool((abs(steps - step) < _UNEVEN * gaps.max()).all())
            if even and np.linalg.norm(step) > 0:
                matrix = np.eye(4)
                matrix[:3, :3] = np.column_stack([across * spacing[1], down * spacing[0], step])
                matrix[:3, 3] = places[0]
                depth = float(np.linalg.norm(step))
                self.geometry = Geometry.of(matrix, (spacing[1], spacing[0], depth))
        self.calibration = Calibration(
            spacing[0], spacing[1], "mm", depth if self.stacked else None
        )


class SlideReader(Reader):
    """A whole slide: the tiles of one level, as rows of its total pixel matrix."""

    axes_by = "the file"

    def __init__(self, files: tuple[Path, ...], level: int, max_pixels: int) -> None:
        levels = [Frames(path, max_pixels) for path in files]
        try:
            self.levels = tuple(_matrix(frames.header) for frames in levels)
            if not 0 <= level < len(levels):
                raise ImageRefusedError(f"level {level}: it has levels 0 to {len(levels) - 1}")
            self._frames = levels[level]
            self._height, self._width = self.levels[level]
            self._places = _tile_places(self._frames)
            self._tile_height, self._tile_width = self._frames.shape[:2]
            colour = self._frames.shape[2:]
            self.shape, self.dtype = (self._height, self._width, *colour), self._frames.dtype
            self.axes = "YXC" if colour else "YX"
            spacing = pixel_spacing(self._frames.header)
            self.calibration = None if spacing is None else Calibration(*spacing, "mm")
        finally:
            for number, frames in enumerate(levels):
                if number != level:
                    frames.close()
        self._kept: OrderedDict[int, Array] = OrderedDict()

    def rows(self, page: int, begin: int, end: int) -> Array:
        parts = []
        for top in range(begin - begin % self._tile_height, end, self._tile_height):
            block = self._row_of_tiles(top)
            parts.append(block[max(begin - top, 0) : end - top])
        return np.concatenate(parts)

    def close(self) -> None:
        self._frames.close()

    def _row_of_tiles(self, top: int) -> Array:
        if top in self._kept:
            self._kept.move_to_end(top)
            return self._kept[top]
        height = min(self._tile_height, self._height - top)
        block = np.zeros((height, *self.shape[1:]), self.dtype)
        for left, number in self._places.get(top, ()):
            width = min(self._tile_width, self._width - left)
            block[:, left : left + width] = self._frames.frame(number)[:height, :width]
        self._kept[top] = block
        if len(self._kept) > _ROWS_OF_TILES_KEPT:
            self._kept.popitem(last=False)
        return block


def frame_order(header: Any) -> list[int] | None:
    """Numbers of frames along their normal; None where the file's order is kept."""
    turn, places = orientation(header), positions(header)
    frames = int(header.get("NumberOfFrames") or 1)
    if turn is None or len(places) != frames:
        return None
    along = np.array(places) @ np.cross(turn[:3], turn[3:])
    steps = np.diff(along)
    if (steps >= 0).all() or (steps <= 0).all():
        return None
    return [int(number) for number in np.argsort(along, kind="stable")]


def _thickness(header: Any) -> float:
    groups = groups_of(header, "PixelMeasuresSequence")
    for place in (header, *groups[:1]):
        for name in ("SpacingBetweenSlices", "SliceThickness"):
            if place.get(name):
                return abs(float(place.get(name)))
    return 1.0


def _matrix(header: Any) -> tuple[int, int]:
    return int(header.TotalPixelMatrixRows), int(header.TotalPixelMatrixColumns)


def _tile_places(frames: Frames) -> dict[int, list[tuple[int, int]]]:
    """By the top row of each row of tiles: left column and number of its frames."""
    header = frames.header
    if "ConcatenationUID" in header:
        raise ImageRefusedError("is a part of an image in several files, which is not taken")
    height, width = frames.shape[:2]
    rows, columns = _matrix(header)
    down, across = math.ceil(rows / height), math.ceil(columns / width)
    found: dict[int, list[tuple[int, int]]] = {}
    if header.get("DimensionOrganizationType") == "TILED_FULL":
        if frames.count != down * across:
            raise ImageRefusedError(
                f"has {frames.count} frames for {down} x {across} tiles: several optical paths or "
                "focal planes, which are not taken"
            )
        places = [(y * height, x * width) for y in range(down) for x in range(across)]
    else:
        groups = groups_of(header, "PlanePositionSlideSequence")
        places = [
            (int(g.RowPositionInTotalImagePixelMatrix) - 1,
             int(g.ColumnPositionInTotalImagePixelMatrix) - 1) for g in groups
        ]  # fmt: skip
        if len(places) != frames.count or len(set(places)) != len(places):
            raise ImageRefusedError(
                "its tiles have no places or share them (optical paths or focal planes), which is "
                "not taken"
            )
    for number, (top, left) in enumerate(places):
        if top % height or not 0 <= top < rows or not 0 <= left < columns:
            raise ImageRefusedError(
                f"tile {number} lies at row {top}, column {left} of {rows} x {columns} px; tiles in "
                f"rows of {height} px are taken"
            )
        found.setdefault(top, []).append((left, number))
    return found
