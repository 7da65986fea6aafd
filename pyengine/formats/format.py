"""What a file format is: how its images are recognised, read and written."""

from __future__ import annotations

import abc
import importlib.util
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from pyengine.arguments import Output
from pyengine.atomic_file import refuse_what_is_no_file, write_atomically

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyengine.formats.geometry import Geometry

Array = npt.NDArray[Any]

MAX_PIXELS = 1 << 29
WRITING = "writing it"  # what a `Library` may be for


@dataclass(frozen=True)
class Location:
    """Where an image lies or goes.

    Attributes
    ----------
    path : Path
        A file; a folder, in formats that are folders.
    name : str or None
        Of the image inside, in formats that hold several by name; without outer slashes.
    """

    path: Path
    name: str | None = None

    def __str__(self) -> str:
        return str(self.path) if self.name is None else f"{self.path}:/{self.name}"


@dataclass(frozen=True)
class ReadOptions:
    """What a reader is told of how to read.

    Attributes
    ----------
    channels : int
        Channels the network needs; decides how axes are read of which a file says nothing.
    axes : str or None
        The user's word for the axes of the file, in its order: Y and X, C for channels, and letters
        of axes whose images are segmented one by one, as in "ZYX". None: as the file says, or told
        by lengths.
    level : int
        Of a pyramid; 0 is the full resolution.
    max_pixels : int
        Of what must be decoded in one piece, against files that unpack to more than memory holds.
    indices : bool
        Of images with a palette the numbers, as of labels, not the colours.
    """

    channels: int
    axes: str | None = None
    level: int = 0
    max_pixels: int = MAX_PIXELS
    indices: bool = False


class ReadKeywords(TypedDict, total=False):
    """Fields of `ReadOptions` that users choose."""

    axes: str | None
    level: int
    max_pixels: int


_METRES = {"nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "in": 0.0254, "m": 1.0}


@dataclass(frozen=True)
class Calibration:
    """How large pixels are.

    Attributes
    ----------
    height, width : float
        Of a pixel, in `unit`.
    unit : str
        As OME writes it: "nm", "\u00b5m", "mm", "cm", "in", ...
    depth : float or None
        From one image of a stack to the next, in `unit`.
    """

    height: float
    width: float
    unit: str
    depth: float | None = None

    def in_unit(self, unit: str) -> Calibration | None:
        """The same in another unit; None where one of both is no unit of length."""
        if unit == self.unit:
            return self
        if unit not in _METRES or self.unit not in _METRES:
            return None
        factor = _METRES[self.unit] / _METRES[unit]
        depth = None if self.depth is None else self.depth * factor
        return Calibration(self.height * factor, self.width * factor, unit, depth)


class Reader(abc.ABC):
    """One or more images (pages) of one file, read by rows.

    Attributes
    ----------
    shape : tuple of int
        (H, W) or (H, W, C) of each page.
    dtype : numpy.dtype
    pages : int
    stacked : bool
        Whether results should have a page axis, too.
    axes : str
        How the stored axes were taken, in the file's order, as in "TZYX" or "YXC".
    axes_by : str
        Who says so: "the file", "lengths" or "--axes".
    stack : tuple of (str, int)
        Letter and length of each axis along which pages lie, the last the fastest; empty where it
        is one without a name.
    calibration : Calibration or None
        None where the file says nothing of it.
    levels : tuple of (int, int)
        (H, W) of each level of a pyramid; empty where there is none.
    geometry : Geometry or None
        Where the voxels of a volume lie; None where the file says nothing of it.
    notes : mapping of str to str
        What else a file says of its images that results should keep, such as the eye they are of.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pages: int = 1
    stacked: bool = False
    axes: str = ""
    axes_by: str = "lengths"
    stack: tuple[tuple[str, int], ...] = ()
    calibration: Calibration | None = None
    levels: tuple[tuple[int, int], ...] = ()
    geometry: Geometry | None = None
    notes: Mapping[str, str] = MappingProxyType({})

    @abc.abstractmethod
    def rows(self, page: int, begin: int, end: int) -> Array:
        """Rows [begin, end) of a page, shape (end - begin, W) or (end - begin, W, C)."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Result:
    """What a writer is told before the first band.

    Attributes
    ----------
    page_shape : tuple of int
        (H, W) of labels, (K, H, W) of scores.
    dtype : numpy.dtype
    pages : int
    stacked : bool
        Whether the result has a page axis.
    stack, calibration, geometry, notes
        The source's; see `Reader`. Formats that can hold them do.
    colors : tuple of RGB
        One per class, for formats in which labels can be seen; empty for scores.
    classes : tuple of str
        Names of the labels, from 0; empty for scores.
    source : Location or None
        What the result was made from.
    """

    page_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pages: int
    stacked: bool
    stack: tuple[tuple[str, int], ...] = ()
    calibration: Calibration | None = None
    colors: tuple[tuple[int, int, int], ...] = ()
    geometry: Geometry | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    source: Location | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole result."""
        return (self.pages, *self.page_shape) if self.stacked else self.page_shape

    @property
    def size_bytes(self) -> int:
        """Of all pixels."""
        return self.pages * math.prod(self.page_shape) * self.dtype.itemsize


class Band(NamedTuple):
    """Full-width rows of a result.

    Attributes
    ----------
    page : int
    begin : int
        The first row.
    values : ndarray, shape (rows, W) or (K, rows, W)
    """

    page: int
    begin: int
    values: Array

    @property
    def end(self) -> int:
        """The row after the last."""
        return self.begin + int(self.values.shape[-2])


@dataclass(frozen=True)
class Library:
    """What a format needs beyond what pyengine itself depends on.

    Attributes
    ----------
    modules : tuple of str
        To import.
    extra : str
        Of pyengine; brings them.
    for_what : str
        Which part of the format needs them; empty for all of it.
    """

    modules: tuple[str, ...]
    extra: str
    for_what: str = ""

    def is_here(self) -> bool:
        """Whether all can be imported."""
        return all(map(_can_import, self.modules))

    @property
    def how(self) -> str:
        """How it comes here."""
        return f'pip install "pyengine[{self.extra}]"'


def _can_import(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # its package is missing, or was blocked
        return False


class Format(abc.ABC):
    """One file format: reader and writer side by side.

    A format is one file of this package and one row of `registry.FORMATS`. It imports the library
    that it needs where it is used, so that what is not used need not be installed.

    Attributes
    ----------
    title : str
        For people.
    noun : str
        What one is called in messages; from the title where it is empty.
    suffixes : tuple of str
        Of what can be read, in lower case and with their dots.
    written_suffixes : tuple of str
        Of what can be written, the usual one first; empty if nothing can.
    is_folder : bool
        Whether an image of this format is a folder of files rather than a file.
    has_names : bool
        Whether it holds several images by name, as in ``file.h5:/name``.
    names_results : bool
        Whether a result has a name, too, in a format that has names.
    libraries : tuple of Library
        Those that extras bring.
    result_suffix : str
        Of results in a folder, where the format itself is not written; empty: the first that can
        hold them.
    """

    title: str
    noun: str = ""
    suffixes: tuple[str, ...]
    written_suffixes: tuple[str, ...] = ()
    is_folder: bool = False
    has_names: bool = False
    names_results: bool = True
    libraries: tuple[Library, ...] = ()
    result_suffix: str = ""

    def has_name(self, path: Path) -> bool:
        """Whether `path` is called as images of this format are."""
        return path.name.lower().endswith(self.suffixes)

    def recognises(self, path: Path) -> bool:
        """Whether there is, by its name, an image of this format at `path`."""
        if not self.has_name(path):
            return False
        return path.is_dir() if self.is_folder else path.is_file()

    def is_begun_by(self, head: bytes) -> bool:
        """Whether files of this format begin so; `head` has 1 KiB, or the whole of a short file.

        False for formats without such a mark: their names alone tell.
        """
        return False

    def parts(self, path: Path) -> tuple[Path, ...]:
        """All files of the image that `path` is, or is a part of, in their order."""
        return (path,)

    @abc.abstractmethod
    def open(self, source: Location, options: ReadOptions) -> Reader:
        """Open an image for reading.

        Parameters
        ----------
        source : Location
            Of this format by its content, or by its name.
        options : ReadOptions

        Raises
        ------
        ImageRefusedError
            A shape that is no image, no image of that name, or pixels whose meaning is not taken.
        Exception
            Whatever the format's library raises; the caller names the file.
        """

    def why_not(self, output: Output, stacked: bool) -> str:
        """Why such results cannot be written in this format; empty if they can."""
        return ""

    def joins(self, target: Location) -> bool:
        """Whether a result is added to what is at `target`, of which all is kept."""
        return False

    def holds(self, target: Location) -> bool:
        """Whether there is a result at `target` already."""
        return target.path.exists()

    def refuse_taken(self, target: Location) -> None:
        """Refuse a target that holds something which a result must not replace.

        Raises
        ------
        FileExistsError
            It does.
        OSError
            It cannot be told.
        """
        refuse_what_is_no_file(target.path)

    def save(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        """Write a result that appears complete or not at all.

        Parameters
        ----------
        target : Location
            What `refuse_taken` let pass.
        result : Result
        bands : iterator of Band
            Page by page, from the first row to the last; computed as they are asked for. Writers
            ask, since the libraries of some formats do.
        """
        write_atomically(
            target.path, lambda path: self.write(replace(target, path=path), result, bands)
        )

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        """Write a result under a temporary name; for `save`, which renames."""
        raise NotImplementedError(f"{self.title} is not written")


def fill(array: Any, result: Result, bands: Iterator[Band]) -> None:
    """Put bands into anything that is assigned to like an array of the result's shape."""
    for band in bands:
        rows = slice(band.begin, band.end)
        at: tuple[Any, ...] = (rows,) if len(result.page_shape) == 2 else (slice(None), rows)
        array[(band.page, *at) if result.stacked else at] = band.values
