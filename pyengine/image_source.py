"""Images in files, read by rows where the format allows it."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

Array = npt.NDArray[Any]

TIFF = (".tif", ".tiff")
HDF5 = (".h5", ".hdf5", ".mat")
PILLOW = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".webp")
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
