"""A file segmented into a file, by row bands; see `Engine.segment_file`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from pyengine.arguments import (
    AUGMENTATIONS,
    OUTPUTS,
    PADDINGS,
    Augmentation,
    Output,
    PaddingMode,
    choice,
    positive,
    tile_sides,
)
from pyengine.atomic_file import refuse_what_is_no_file, update_atomically, write_atomically
from pyengine.distinct_files import check_distinct
from pyengine.image_source import HDF5, TIFF, Array, ImageSource, open_source, split_dataset
from pyengine.progress import Progress, progress_callback

if TYPE_CHECKING:
    from pyengine.engine import Engine

_TIFF_TILE = 256  # pixels


def segment_file(
    engine: Engine,
    src: str,
    dst: str,
    *,
    tile: int | tuple[int, int] | None = None,
    batch_size: int | None = None,
    output: Output = "labels",
    max_memory: int | None = None,
    progress: Progress = False,
    padding_mode: PaddingMode = "reflect",
    tta: Augmentation = "none",
) -> None:
    """See `Engine.segment_file`."""
    target, dataset = split_dataset(dst)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent}: no such folder")
    check_distinct([split_dataset(src)[0], Path(engine.info.path)], replaced_files(src, dst))
    check_target(dst, output)
    with open_source(src, engine.info.input["channels"]) as source:
        job = _Job(engine, source, output, tile, batch_size, max_memory, padding_mode, tta)
        writer = _writer(target, _dataset_name(dataset, output), job)
        with progress_callback(progress) as callback:
            job.callback = callback
            put = update_atomically if _is_added_to(target) else write_atomically
            put(target, lambda temporary: writer(temporary, job))


def replaced_files(src: str, dst: str) -> list[tuple[Path, str]]:
    """What a result from `src` replaces at `dst`, for `check_distinct`.

    A data set that is named joins those of an HDF5 file, which may be the input itself.
    """
    target, dataset = split_dataset(dst)
    return [] if dataset and _is_added_to(target) else [(target, src)]


def check_target(dst: str, output: Output) -> None:
    """Refuse a target that holds something which is not replaced.

    Raises
    ------
    FileExistsError
        A folder, or a data set of that name.
    OSError
        A file that cannot be added to.
    """
    target, dataset = split_dataset(dst)
    refuse_what_is_no_file(target)
    if _is_added_to(target):
        _refuse_taken_name(target, _dataset_name(dataset, output))


def is_done(dst: str, output: Output) -> bool:
    """Whether a result is there already."""
    target, dataset = split_dataset(dst)
    if not _is_added_to(target):
        return target.exists()
    import h5py

    with h5py.File(target, "r") as handle:
        return _dataset_name(dataset, output) in handle


def _dataset_name(given: str | None, output: Output) -> str:
    return (given or "").strip("/") or output


def _is_added_to(target: Path) -> bool:
    """Whether results join what the file holds: HDF5 files that exist."""
    return target.suffix.lower() in HDF5[:2] and target.is_file() and target.stat().st_size > 0


def _refuse_taken_name(target: Path, name: str) -> None:
    import h5py

    try:
        handle = h5py.File(target, "r")
    except OSError as error:
        raise OSError(
            f"{target}: exists and cannot be added to, choose another name ({error})"
        ) from error
    with handle:
        group: Any = handle
        *parents, _ = parts = name.split("/")
        for depth, part in enumerate(parts):
            if group.get(part, getlink=True) is None:
                return
            group = group.get(part)
            if depth == len(parents) or not isinstance(group, h5py.Group):
                taken = "/".join(parts[: depth + 1])
                free = next(n for n in (f"{taken}_{i}" for i in count(2)) if n not in handle)
                raise FileExistsError(
                    f"{target}: holds '{taken}' already, which is not replaced; choose another "
                    f"name, such as {target}:/{free}"
                )
            if group.file.filename != handle.filename:
                raise OSError(
                    f"{target}: '{part}' is a link into {group.file.filename}; name a data set in "
                    "the file itself"
                )


class _Job:
    """One file's segmentation: bands of results, page by page."""

    def __init__(
        self,
        engine: Engine,
        source: ImageSource,
        output: Output,
        tile: int | tuple[int, int] | None,
        batch_size: int | None,
        max_memory: int | None,
        padding_mode: PaddingMode,
        tta: Augmentation,
    ) -> None:
        self.engine, self.source = engine, source
        self.kind = choice("output", output, OUTPUTS)
        self.padding = choice("padding_mode", padding_mode, PADDINGS)
        self.augmentation = choice("tta", tta, AUGMENTATIONS)
        self.sides = tile_sides(tile)
        self.batch_size = positive("batch_size", batch_size)
        self.max_memory = positive("max_memory", max_memory)
        self.callback: Callable[[int, int], bool | None] | None = None
        self.height, self.width = source.shape[:2]
        # The checks of `segment`, on an empty stand-in of the same shape and dtype.
        engine._check_image(np.broadcast_to(np.zeros((), source.dtype), source.shape))
        # Networks of the whole image have no tiles: their band is the whole page; likewise where
        # the page is turned.
        self.band_height, self.tiles = self.height, 1
        self.banded = engine.info.tileable and tta == "none"
        if self.banded:
            plan = engine.plan(self.height, self.width, tile, batch_size, max_memory)
            self.band_height, self.tiles = plan.tile[0], plan.grid[0] * plan.grid[1]
        self.dtype = np.dtype(np.uint8 if self.kind == 0 else np.float32)
        classes = () if self.kind == 0 else (engine.info.outputs,)
        self.page_shape = (*classes, self.height, self.width)
        self.shape = (source.pages, *self.page_shape) if source.stacked else self.page_shape

    def bands(self) -> Iterator[tuple[int, int, Array]]:
        """(page, first row, result) in order; result is (rows, W) or (K, rows, W)."""
        core = self.engine._core
        cut = (*self.sides, self.batch_size, self.max_memory, self.padding)
        for page in range(self.source.pages):
            for begin in range(0, self.height, self.band_height):
                end = min(begin + self.band_height, self.height)
                first, last = 0, self.height
                if self.banded:
                    first, last = core.band_rows(self.height, self.width, begin, end, *cut)
                rows = np.ascontiguousarray(self.source.rows(page, first, last))
                result = core.segment_band(
                    rows, first, self.height, self.kind, begin, end, *cut,
                    self._progress(page), self.augmentation,
                )  # fmt: skip
                yield page, begin, result

    def _progress(self, page: int) -> Callable[[int, int], bool | None] | None:
        callback = self.callback
        if callback is None:
            return None
        pages = self.source.pages
        if not self.banded:  # only the core knows how many tiles the passes over a page take
            return lambda done, of: callback(page * of + done, pages * of)
        return lambda done, _: callback(page * self.tiles + done, pages * self.tiles)


Writer = Callable[[Path, _Job], None]


def _writer(target: Path, dataset: str, job: _Job) -> Writer:
    suffix = target.suffix.lower()
    if suffix in TIFF:
        return _write_tiff
    if suffix == ".npy":
        return _write_npy
    if suffix in HDF5[:2]:
        return lambda path, j: _write_hdf5(path, dataset, j)
    if suffix == ".png":
        if job.kind != 0 or job.source.stacked:
            raise ValueError(
                f"{target}: PNG holds the labels of one image; write scores and stacks to .tif, "
                ".npy or .h5"
            )
        return _write_png
    raise ValueError(f"{target}: unknown output format '{suffix}'; known: .png, .tif, .npy, .h5")


def _write_tiff(path: Path, job: _Job) -> None:
    total = math.prod(job.shape) * job.dtype.itemsize
    bands = job.bands()
    with tifffile.TiffWriter(path, bigtiff=total > 3 << 30) as tiff:
        for _ in range(job.source.pages):
            if job.kind == 0:
                tiff.write(
                    _tiles(bands, job.height),
                    shape=job.page_shape,
                    dtype=job.dtype,
                    tile=(_TIFF_TILE, _TIFF_TILE),
                    compression="zlib",
                    photometric="minisblack",
                    metadata=None,
                )
            else:
                # Planes of one page come band by band, so they are gathered first.
                scores = np.empty(job.page_shape, job.dtype)
                for begin, result in _page(bands, job.height):
                    scores[:, begin : begin + result.shape[1]] = result
                for plane in scores:
                    tiff.write(plane, photometric="minisblack", metadata=None)


def _page(bands: Iterator[tuple[int, int, Array]], height: int) -> Iterator[tuple[int, Array]]:
    """The bands of one page."""
    for _, begin, result in bands:
        yield begin, result
        if begin + result.shape[-2] >= height:
            return


def _tiles(bands: Iterator[tuple[int, int, Array]], height: int) -> Iterator[Array]:
    """Bands of one page, cut anew into the tiles of a TIFF, row by row."""

    def cut(rows: Array) -> Iterator[Array]:
        for left in range(0, rows.shape[1], _TIFF_TILE):
            yield rows[:, left : left + _TIFF_TILE]

    pending: Array | None = None
    for _, result in _page(bands, height):
        pending = result if pending is None else np.concatenate([pending, result])
        while pending.shape[0] >= _TIFF_TILE:
            yield from cut(pending[:_TIFF_TILE])
            pending = pending[_TIFF_TILE:]
    if pending is not None and pending.shape[0] > 0:
        yield from cut(pending)


def _write_npy(path: Path, job: _Job) -> None:
    # By plain writes: a page of a mapped file that finds no room on the disk kills the process.
    with path.open("wb") as file:
        description = {"descr": job.dtype.str, "fortran_order": False, "shape": job.shape}
        np.lib.format.write_array_header_1_0(file, description)
        start = file.tell()
        planes_per_page = math.prod(job.page_shape[:-2])
        for page, begin, result in job.bands():
            for k, plane in enumerate(result.reshape(planes_per_page, -1, job.width)):
                row = (page * planes_per_page + k) * job.height + begin
                file.seek(start + row * job.width * job.dtype.itemsize)
                file.write(plane.tobytes())


def _write_hdf5(path: Path, dataset: str, job: _Job) -> None:
    import h5py

    # The HDF5 library crashes when its last flush finds no room: make sure of the room first.
    mode = "r+" if path.exists() else "w"
    with path.open("ab") as file:
        room = math.prod(job.shape) * job.dtype.itemsize + (1 << 16)
        os.posix_fallocate(file.fileno(), file.tell(), room)
    with h5py.File(path, mode) as handle:
        _fill(handle.create_dataset(dataset, job.shape, job.dtype), job)


def _fill(array: Any, job: _Job) -> None:
    for page, begin, result in job.bands():
        rows = slice(begin, begin + result.shape[-2])
        at: tuple[Any, ...] = (rows,) if job.kind == 0 else (slice(None), rows)
        array[(page, *at) if job.source.stacked else at] = result


def _write_png(path: Path, job: _Job) -> None:
    labels = np.empty(job.page_shape, np.uint8)
    _fill(labels, job)
    Image.fromarray(labels).save(path)
