"""The list of formats, and what walks it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyengine.arguments import Output
from pyengine.formats.bioio import MICROSCOPES
from pyengine.formats.boundary import ImageRefusedError, reading, writing
from pyengine.formats.dicom import Dicom
from pyengine.formats.fitted_reader import FittedReader
from pyengine.formats.format import (
    WRITING,
    Array,
    Band,
    Format,
    Location,
    ReadKeywords,
    ReadOptions,
    Result,
)  # fmt: skip
from pyengine.formats.hdf5 import Hdf5
from pyengine.formats.itk import METAIMAGE, NRRD
from pyengine.formats.jpeg2000 import Jpeg2000
from pyengine.formats.matlab import Matlab
from pyengine.formats.nifti import Nifti
from pyengine.formats.npy import Npy
from pyengine.formats.npz import Npz
from pyengine.formats.oct import OCT_DEVICES
from pyengine.formats.ome_zarr import OmeZarr
from pyengine.formats.openslide import OpenSlide
from pyengine.formats.pillow import Pillow
from pyengine.formats.tiff import Slide, Tiff

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Where a result may have any format, it gets the first that can hold it.
FORMATS: list[Format] = [
    Pillow(), Tiff(), Slide(), Npy(), Hdf5(), Npz(), Matlab(), Jpeg2000(), OpenSlide(),
    *MICROSCOPES, Nifti(), METAIMAGE, NRRD, OmeZarr(), Dicom(),
    *OCT_DEVICES,
]  # fmt: skip

_HEAD_BYTES = 1024
_SHOWN_ROWS = 64
# What systems put into folders of images: thumbnails, deleted files, indexes.
_SYSTEM_FOLDERS = {"@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"}


def readable_suffixes() -> list[str]:
    """Suffixes of all images that can be read."""
    return [suffix for f in FORMATS for suffix in f.suffixes]


def written_suffixes() -> list[str]:
    """The usual suffix of each format that can be written."""
    return [f.written_suffixes[0] for f in FORMATS if f.written_suffixes]


def all_written_suffixes() -> list[str]:
    """Every suffix that a result may have."""
    return [suffix for f in FORMATS for suffix in f.written_suffixes]


def locate(text: str) -> Location:
    """``file.h5:/group/data`` to path and name; any other text is a path."""
    for suffix in [suffix for f in FORMATS if f.has_names for suffix in f.suffixes]:
        head, mark, name = text.partition(f"{suffix}:")
        if mark:
            return Location(Path(head + suffix), name.strip("/") or None)
    return Location(Path(text))


def locate_result(text: str, output: Output) -> Location:
    """Where a result goes; one without a name, in a format that has names, is called `output`.

    Raises
    ------
    ValueError
        No format is written under this suffix.
    """
    location = locate(text)
    image_format = written_format(location.path)
    if location.name is None and image_format.has_names and image_format.names_results:
        return replace(location, name=output)
    return location


def find_format(path: Path) -> Format | None:
    """The format of the image at `path`; None if there is none.

    A file's content decides, its name where the content has no mark. Of formats with the same
    mark the name chooses.
    """
    named = [f for f in FORMATS if f.recognises(path)]
    if not path.is_file():
        return named[0] if named else None
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:  # it will be told where the image is opened
        head = b""
    files = [f for f in FORMATS if not f.is_folder]
    return next((f for f in (*named, *files) if f.is_begun_by(head)), named[0] if named else None)


def files_of(source: str) -> tuple[Path, ...]:
    """All files of the image that a file, or folder, is a part of."""
    path = locate(source).path
    image_format = find_format(path)
    return (path,) if image_format is None else image_format.parts(path)


def images_below(folder: Path) -> Iterator[Path]:
    """All images in a folder and its folders, sorted; nothing hidden, nothing out of reach.

    Files count that are called like images, or have no suffix but a number and begin like images.
    """
    try:
        paths = sorted(folder.iterdir())
    except PermissionError:
        return
    for path in paths:
        if path.name.startswith(".") or path.name in _SYSTEM_FOLDERS:
            continue
        called = not path.suffix.strip(".0123456789") or any(f.has_name(path) for f in FORMATS)
        if called and find_format(path):
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from images_below(path)


def open_image(
    source: str, channels: int, *, indices: bool = False, **how: Unpack[ReadKeywords]
) -> FittedReader:
    """Open an image for reading.

    Parameters
    ----------
    source : str
        See `Engine.segment_file`.
    channels : int
    indices : bool
    **how : ReadKeywords
        See `ReadOptions`.

    Raises
    ------
    FileNotFoundError, OSError
        The file cannot be opened or decoded.
    ValueError
        An unknown format, or a shape that is no image.
    """
    location = locate(source)
    image_format = find_format(location.path)
    if image_format is not None:
        noun = image_format.noun or f"{image_format.title} file"
        _refuse_missing(image_format, location, "")
        with reading(location, noun):
            options = ReadOptions(channels, indices=indices, **how)
            reader = image_format.open(location, options)
            if options.level != 0 and not reader.levels:
                reader.close()
                raise ImageRefusedError(f"has no level {options.level}: it is no pyramid")
            return FittedReader(reader, location, noun, channels)
    if not location.path.exists():
        raise FileNotFoundError(f"{location.path}: no such file")
    if location.path.is_dir():
        raise FileNotFoundError(f"{location.path}: is a folder, not an image")
    raise ValueError(
        f"{location.path}: unknown image format '{location.path.suffix}', and nothing known by its "
        "content; "
        f"known: {', '.join(readable_suffixes())}"
    )


def read_image(
    source: str,
    channels: int,
    *,
    indices: bool = False,
    max_shown: int | None = None,
    **how: Unpack[ReadKeywords],
) -> Array:
    """The first image of a file, shape (H, W) or (H, W, C); see `open_image`.

    Parameters
    ----------
    source, channels, indices, **how
        As of `open_image`.
    max_shown : int, optional
        Pixels beyond which every n-th of every n-th row is returned, read by rows. Default: whole.
    """
    with open_image(source, channels, indices=indices, **how) as reader:
        height, width = reader.shape[:2]
        step = 1 if max_shown is None else math.ceil(math.sqrt(height * width / max_shown))
        if step <= 1:
            return reader.rows(0, 0, height)
        bands = range(0, height, step * _SHOWN_ROWS)
        ends = (min(begin + step * _SHOWN_ROWS, height) for begin in bands)
        parts = [
            reader.rows(0, begin, end)[::step, ::step]
            for begin, end in zip(bands, ends, strict=True)
        ]
        return np.concatenate(parts)


def written_format(target: Path) -> Format:
    """The format that a result of this name will have.

    Raises
    ------
    ValueError
        No format is written under this suffix.
    """
    suffix = known_suffix(target)
    for image_format in FORMATS:
        if suffix in image_format.written_suffixes:
            return image_format
    raise ValueError(
        f"{target}: unknown output format '{suffix}'; known: {', '.join(written_suffixes())}"
    )


def known_suffix(path: Path) -> str:
    """The suffix of a path in lower case: the longest that a format knows, as .nii.gz, else .gz."""
    name = path.name.lower()
    known = {s for f in FORMATS for s in (*f.suffixes, *f.written_suffixes)}
    return max((s for s in known if name.endswith(s)), key=len, default=path.suffix.lower())


def replace_suffix(path: Path, suffix: str) -> Path:
    """A path with another suffix in place of `known_suffix`."""
    return path.with_name(path.name[: len(path.name) - len(known_suffix(path))] + suffix)


def _refuse_missing(image_format: Format, location: Location, *for_what: str) -> None:
    """Refuse what needs a library that is not here."""
    for library in image_format.libraries:
        if library.for_what in for_what and not library.is_here():
            noun = image_format.noun or f"{image_format.title} file"
            raise ValueError(
                f"{location}: a {noun} needs {', '.join(library.modules)}, which {library.how} brings"
            )


def save_result(target: Location, result: Result, bands: Iterator[Band]) -> None:
    """Write a result; see `Format.save`.

    Raises
    ------
    OSError
        It cannot be written.
    ValueError
        The format's library is not here, or the format cannot hold it.
    Exception
        What was raised where the bands are made.
    """
    image_format = written_format(target.path)
    _refuse_missing(image_format, target, "", WRITING)
    writing(target, bands, lambda watched: image_format.save(target, result, watched))


def check_holds(target: Path, output: Output, stacked: bool) -> None:
    """Refuse a target whose format cannot hold such a result.

    Raises
    ------
    ValueError
        It cannot; the message names formats that can.
    """
    reason = written_format(target).why_not(output, stacked)
    if reason:
        others = ", ".join(f.written_suffixes[0] for f in _able(output, stacked))
        what = f"stacks of {output}" if stacked else output
        raise ValueError(f"{target}: {reason}; write {what} to one of {others} files")


def suffix_like(source: Path, output: Output) -> str:
    """The suffix of a result: that of its source where it can be, else the first that can."""
    usable = [suffix for f in _able(output, False) for suffix in f.written_suffixes]
    suffix = known_suffix(source)
    wanted = next((f.result_suffix for f in FORMATS if suffix in f.suffixes), "")
    return next(s for s in (suffix, wanted, usable[0]) if s in usable)


def _able(output: Output, stacked: bool) -> list[Format]:
    """The formats that can hold such results."""
    return [f for f in FORMATS if f.written_suffixes and not f.why_not(output, stacked)]
