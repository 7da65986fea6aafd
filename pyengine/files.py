"""Images in files: read by rows where the format allows it, results written by row bands."""

from __future__ import annotations

import abc
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from pyengine.builder.container import write_atomically
from pyengine.progress import Progress, progress_callback

if TYPE_CHECKING:
    from pyengine.engine import Engine, Output, PaddingMode

Array = npt.NDArray[Any]

TIFF = (".tif", ".tiff")
HDF5 = (".h5", ".hdf5", ".mat")
PILLOW = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".webp")
_TIFF_TILE = 256  # pixels
READABLE = (*TIFF, ".npy", *HDF5, *PILLOW)


class ImageSource(abc.ABC):
    """One or more images (pages) of one file, read by rows.

    Attributes
    ----------
    shape : tuple of int
        (H, W) or (H, W, C) of each page.
    dtype : numpy.dtype
    pages : int
    stacked : bool
        Whether results should have a page axis, too.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pages: int = 1
    stacked: bool = False

    @abc.abstractmethod
    def rows(self, page: int, begin: int, end: int) -> Array:
        """Rows [begin, end) of a page, shape (end - begin, W) or (end - begin, W, C)."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release the file."""

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _ArraySource(ImageSource):
    """Anything that slices like an array: NumPy files, HDF5 data sets, decoded images."""

    def __init__(self, array: Any, close: Callable[[], None] | None, channels: int) -> None:
        self._array, self._close = array, close
        self.dtype = np.dtype(array.dtype)
        shape = tuple(array.shape)
        # (N, H, W) is a stack of grey images, unless the last axis holds the network's channels.
        # A last axis of 3 or 4 is colour in any case: no image is that narrow.
        color = len(shape) == 4 or (
            len(shape) == 3 and (shape[-1] == channels > 1 or shape[-1] in (3, 4))
        )
        spatial = shape[:-1] if color else shape
        if len(spatial) not in (2, 3):
            raise ValueError(f"shape {shape} is not (H, W), (H, W, C), (N, H, W) or (N, H, W, C)")
        self.stacked = len(spatial) == 3
        self.pages = shape[0] if self.stacked else 1
        self.shape = shape[1:] if self.stacked else shape

    def rows(self, page: int, begin: int, end: int) -> Array:
        part = self._array[page, begin:end] if self.stacked else self._array[begin:end]
        return np.asarray(part)

    def close(self) -> None:
        if self._close:
            self._close()


class _TiffSource(ImageSource):
    """Pages of a TIFF; only the strips or tiles that hold the wanted rows are decoded."""

    def __init__(self, path: Path) -> None:
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


def split_dataset(path: str) -> tuple[Path, str | None]:
    """``file.h5:/group/data`` to path and data set name (None without one)."""
    for suffix in HDF5:
        head, mark, name = path.partition(f"{suffix}:")
        if mark:
            return Path(head + suffix), name
    return Path(path), None


def open_source(path: str, channels: int) -> ImageSource:
    """Open an image file for reading.

    Parameters
    ----------
    path : str
        See `Engine.segment_file`.
    channels : int
        Channels the network needs; decides how ambiguous axes are read.

    Raises
    ------
    FileNotFoundError, OSError
        The file cannot be opened or decoded.
    ValueError
        An unknown format, or a shape that is no image.
    """
    file, dataset = split_dataset(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    suffix = file.suffix.lower()
    if suffix in TIFF:
        try:
            return _TiffSource(file)
        except tifffile.TiffFileError as error:
            raise OSError(f"{file}: not a readable TIFF ({error})") from error
    if suffix == ".npy":
        try:
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise OSError(f"{file}: not a readable NumPy file ({error})") from error
        return _ArraySource(array, None, channels)
    if suffix in HDF5:
        return _open_hdf5(file, dataset, channels)
    if suffix in PILLOW:
        return _ArraySource(_fit_channels(_read_pillow(file), channels), None, channels)
    raise ValueError(f"{file}: unknown image format '{suffix}'; known: {', '.join(READABLE)}")


def _open_hdf5(file: Path, dataset: str | None, channels: int) -> ImageSource:
    import h5py

    try:
        handle = h5py.File(file, "r")
    except OSError as error:
        raise OSError(f"{file}: not a readable HDF5 file ({error})") from error
    names: list[str] = []
    handle.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
    if dataset is None and len(names) == 1:
        dataset = names[0]
    if dataset is None or dataset.strip("/") not in names:
        handle.close()
        raise ValueError(
            f"{file}: name the data set as {file}:/NAME; it holds {', '.join(names) or 'none'}"
        )
    return _ArraySource(handle[dataset], handle.close, channels)


def _read_pillow(file: Path) -> Array:
    # Large microscopy images are no decompression bombs; the caller chose the file.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(file) as image:
            plain = {"1": "L", "P": "RGB"}.get(image.mode)
            array = np.asarray(image.convert(plain) if plain else image)
    except (OSError, SyntaxError) as error:
        raise OSError(f"{file}: not a readable image ({error})") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if array.dtype == np.int32:  # Pillow's mode "I": 16-bit PNG
        array = array.astype(np.uint16)
    return array


def _fit_channels(array: Array, channels: int) -> Array:
    """Drop what carries nothing: an opaque alpha channel, a grey image stored as colour."""
    depth = array.shape[2] if array.ndim == 3 else 1
    if (
        depth in (2, 4)
        and depth != channels
        and np.issubdtype(array.dtype, np.integer)
        and (array[..., -1] == np.iinfo(array.dtype).max).all()
    ):
        array = array[..., 0] if depth == 2 else array[..., :3]
    if array.ndim == 3 and array.shape[2] == 3 and channels == 1:
        first = array[..., :1]
        array = first[..., 0] if (array == first).all() else array
    return array


def read_image(path: str, channels: int) -> Array:
    """The first image of a file, whole, shape (H, W) or (H, W, C)."""
    with open_source(path, channels) as source:
        return _fit_channels(source.rows(0, 0, source.shape[0]), channels)


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
) -> None:
    """See `Engine.segment_file`."""
    with open_source(src, engine.info.input["channels"]) as source:
        target, dataset = split_dataset(dst)
        if not target.parent.is_dir():
            raise FileNotFoundError(f"{target.parent}: no such folder")
        if dataset is None and target.suffix.lower() in HDF5:
            dataset = "labels" if output == "labels" else output
        job = _Job(engine, source, output, tile, batch_size, max_memory, padding_mode)
        writer = _writer(target, dataset, job)
        with progress_callback(progress) as callback:
            job.callback = callback
            write_atomically(target, lambda temporary: writer(temporary, job))


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
    ) -> None:
        from pyengine.engine import _OUTPUTS, _PADDINGS, _choice, _positive, _tile_sides

        self.engine, self.source = engine, source
        self.kind = _choice("output", output, _OUTPUTS)
        self.padding = _choice("padding_mode", padding_mode, _PADDINGS)
        self.sides = _tile_sides(tile)
        self.batch_size = _positive("batch_size", batch_size)
        self.max_memory = _positive("max_memory", max_memory)
        self.callback: Callable[[int, int], bool | None] | None = None
        self.height, self.width = source.shape[:2]
        # The checks of `segment`, on an empty stand-in of the same shape and dtype.
        engine._check_image(np.broadcast_to(np.zeros((), source.dtype), source.shape))
        self.plan = engine.plan(self.height, self.width, tile, batch_size, max_memory)
        self.dtype = np.dtype(np.uint8 if self.kind == 0 else np.float32)
        classes = () if self.kind == 0 else (engine.info.outputs,)
        self.page_shape = (*classes, self.height, self.width)
        self.shape = (source.pages, *self.page_shape) if source.stacked else self.page_shape

    def bands(self) -> Iterator[tuple[int, int, Array]]:
        """(page, first row, result) in order; result is (rows, W) or (K, rows, W)."""
        tile_height = self.plan.tile[0]
        tiles = self.plan.grid[0] * self.plan.grid[1]
        core = self.engine._core
        cut = (*self.sides, self.batch_size, self.max_memory, self.padding)
        for page in range(self.source.pages):
            for begin in range(0, self.height, tile_height):
                end = min(begin + tile_height, self.height)
                first, last = core.band_rows(self.height, self.width, begin, end, *cut)
                rows = np.ascontiguousarray(self.source.rows(page, first, last))
                result = core.segment_band(
                    rows, first, self.height, self.kind, begin, end, *cut,
                    self._progress(page, tiles),
                )  # fmt: skip
                yield page, begin, result

    def _progress(self, page: int, tiles: int) -> Callable[[int, int], bool | None] | None:
        callback = self.callback
        if callback is None:
            return None
        total = tiles * self.source.pages
        return lambda done, _: callback(page * tiles + done, total)


Writer = Callable[[Path, _Job], None]


def _writer(target: Path, dataset: str | None, job: _Job) -> Writer:
    suffix = target.suffix.lower()
    if suffix in TIFF:
        return _write_tiff
    if suffix == ".npy":
        return _write_npy
    if suffix in HDF5[:2]:
        return lambda path, j: _write_hdf5(path, dataset or "labels", j)
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
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, math.prod(job.shape) * job.dtype.itemsize + (1 << 16))
    with h5py.File(path, "w") as handle:
        _fill(handle.create_dataset(dataset.strip("/") or "labels", job.shape, job.dtype), job)


def _fill(array: Any, job: _Job) -> None:
    for page, begin, result in job.bands():
        rows = slice(begin, begin + result.shape[-2])
        at: tuple[Any, ...] = (rows,) if job.kind == 0 else (slice(None), rows)
        array[(page, *at) if job.source.stacked else at] = result


def _write_png(path: Path, job: _Job) -> None:
    labels = np.empty(job.page_shape, np.uint8)
    _fill(labels, job)
    Image.fromarray(labels).save(path)


def overlay(image: Array, labels: Array, colors: tuple[tuple[int, int, int], ...]) -> Array:
    """The image with its classes in colour, class 0 left clear.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Stretched to its own range for display.
    labels : ndarray of uint8, shape (H, W)
    colors : tuple of RGB
        One per class.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    grey = image if image.ndim == 3 and image.shape[2] == 3 else np.atleast_3d(image)[..., :1]
    low, high = float(grey.min()), float(grey.max())
    scaled = (grey.astype(np.float32) - low) * (255 / (high - low) if high > low else 1)
    base = np.broadcast_to(scaled, (*labels.shape, 3))
    palette = np.zeros((256, 3), np.float32)
    palette[: len(colors)] = colors
    alpha = np.where(labels == 0, 0.0, 0.55).astype(np.float32)[..., None]
    return ((1 - alpha) * base + alpha * palette[labels]).round().astype(np.uint8)


def save_image(path: str | os.PathLike[str], array: Array) -> None:
    """Write an image file under a temporary name and rename it."""
    write_atomically(Path(path), lambda temporary: Image.fromarray(array).save(temporary))
