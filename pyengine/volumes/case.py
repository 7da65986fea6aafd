"""Files of one case: a volume's channels, read together, and its labels, written.

nnU-Net's names: ``CASE_0000.nii.gz``, ``CASE_0001.nii.gz`` and so on are channels of ``CASE``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine.arguments import SegmentKeywords
from pyengine.distinct_files import check_distinct
from pyengine.formats.format import Band, Reader, ReadKeywords, Result
from pyengine.formats.geometry import Geometry
from pyengine.formats.registry import (
    check_holds,
    files_of,
    known_suffix,
    locate,
    locate_result,
    open_image,
    save_result,
)
from pyengine.progress import Progress
from pyengine.segment_file import check_target, replaced_files
from pyengine.volumes.recipe import Recipe
from pyengine.volumes.segment import recipe_for, segment_channels

if TYPE_CHECKING:
    from pyengine.engine import Engine

_CHANNEL = re.compile(r"(.+)_(\d{4})")
# What nnU-Net takes for the spacing of pictures, and for the depth of a slice in its pixels.
_PICTURE_SPACING = (999.0, 1.0, 1.0)
_DEPTH_OF_ONE_SLICE = 999


@dataclass(frozen=True)
class Case:
    """Channels of one volume.

    Attributes
    ----------
    channels : ndarray, shape (C, z, y, x)
    spacing_mm : (float, float, float)
        Along z, y and x.
    result : Result
        What labels of it keep of the first file.
    """

    channels: npt.NDArray[Any]
    spacing_mm: tuple[float, float, float]
    result: Result


def case_name(path: Path) -> str:
    """The name without suffix, and without the number of a channel."""
    name = _stem(path)
    match = _CHANNEL.fullmatch(name)
    return match[1] if match else name


def channel_of(path: Path) -> int:
    """The number of a channel that a file's name ends in; 0 where it ends in none."""
    match = _CHANNEL.fullmatch(_stem(path))
    return int(match[2]) if match else 0


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(known_suffix(path))]


def channel_files(path: Path, channels: int) -> list[Path]:
    """The files of all channels of a case, from that of the first.

    Raises
    ------
    FileNotFoundError, ValueError
        There are none for some channels, or more than the network takes.
    """
    match = _CHANNEL.fullmatch(_stem(path))
    if match is None:
        return [path]
    if int(match[2]) != 0:
        raise ValueError(f"{path}: is channel {int(match[2])} of a case; name that of channel 0")
    suffix = path.name[len(_stem(path)) :]
    files = [path.with_name(f"{match[1]}_{i:04}{suffix}") for i in range(channels + 1)]
    for index, file in enumerate(files[1:channels], 1):
        if not file.exists():
            raise FileNotFoundError(
                f"{file}: no such file; the network takes {channels} channels, and this is the one "
                f"numbered {index}"
            )
    if files[channels].exists():
        raise ValueError(f"{files[channels]}: the network takes {channels} channel(s) alone")
    return files[:channels]


def read_case(files: list[Path], channels: int, recipe: Recipe, how: ReadKeywords) -> Case:
    """All channels of a case, whole.

    Raises
    ------
    OSError, ValueError
        A file that cannot be read, or channels that do not fit each other or the network.
    """
    with ExitStack() as stack:
        depth = channels if len(files) == 1 else 1
        readers = [stack.enter_context(open_image(str(file), depth, **how)) for file in files]
        first, count = readers[0], sum(map(_depth, readers))
        if count != channels:
            raise ValueError(
                f"{files[0]}: has {count} channel(s), the network takes {channels}; channels are "
                "files CASE_0000, CASE_0001 and so on"
            )
        spacing = _spacing(first, files[0], recipe)
        for file, reader in zip(files[1:], readers[1:], strict=True):
            _check_fits(file, reader, files[0], first, recipe)
        array = np.empty(
            (channels, first.pages, *first.shape[:2]), np.result_type(*(r.dtype for r in readers))
        )
        into = iter(array)
        for reader in readers:
            parts = [next(into) for _ in range(_depth(reader))]
            for page in range(reader.pages):
                rows = np.atleast_3d(reader.rows(page, 0, reader.shape[0]))
                for channel, part in enumerate(parts):
                    part[page] = rows[..., channel]
        result = Result(
            first.shape[:2], np.dtype(np.uint8), first.pages, first.stacked, first.stack,
            first.calibration, geometry=first.geometry, notes=first.notes, source=locate(str(files[0])),
        )  # fmt: skip
        return Case(array, spacing, result)


def _depth(reader: Reader) -> int:
    return reader.shape[2] if len(reader.shape) > 2 else 1


def _spacing(reader: Reader, file: Path, recipe: Recipe) -> tuple[float, float, float]:
    if recipe.pictures:
        if reader.stacked:
            raise ValueError(f"{file}: a stack, and the network was trained on single pictures")
        return _PICTURE_SPACING
    geometry = _geometry(reader)
    if geometry is None:
        raise ValueError(
            f"{file}: says nothing of its spacing, the size of a voxel in mm along every axis; "
            "volumes need it: put it into the file"
        )
    x, y, z = geometry.spacing_mm
    return (z if reader.stacked else _DEPTH_OF_ONE_SLICE * max(x, y), y, x)


def _geometry(reader: Reader) -> Geometry | None:
    calibration = reader.calibration
    if reader.geometry is None and calibration is not None:
        known = calibration.depth is not None or not reader.stacked
        return Geometry.from_calibration(calibration) if known else None
    return reader.geometry


def _check_fits(file: Path, reader: Reader, other: Path, first: Reader, recipe: Recipe) -> None:
    """Refuse channels of another size or spacing, warn of another place."""
    shapes = [(r.pages, *r.shape[:2]) for r in (reader, first)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{file}: shape {shapes[0]} differs from {shapes[1]} of {other}")
    spacings = _spacing(reader, file, recipe), _spacing(first, other, recipe)
    if not np.allclose(*spacings, rtol=1e-4):
        raise ValueError(f"{file}: spacing {spacings[0]} differs from {spacings[1]} of {other}")
    one, two = reader.geometry, first.geometry
    if one is not None and two is not None and not np.allclose(one.matrix, two.matrix, atol=1e-3):
        warnings.warn(f"{file}: lies elsewhere than {other}", UserWarning, stacklevel=2)


def segment_case(
    engine: Engine,
    src: str,
    dst: str,
    output: str,
    progress: Progress,
    options: SegmentKeywords,
    how: ReadKeywords,
) -> None:
    """`Engine.segment_file` for engines whose file says how volumes are prepared."""
    recipe = recipe_for(engine, options)
    if output != "labels":
        raise ValueError(f"output {output!r}: of volumes, labels are written")
    target = locate_result(dst, "labels")
    if not target.path.parent.is_dir():
        raise FileNotFoundError(f"{target.path.parent}: no such folder")
    channels = int(engine.info.input["channels"])
    files = channel_files(locate(src).path, channels)
    read = [part for file in files for part in files_of(str(file))]
    check_distinct([*read, Path(engine.info.path)], replaced_files(src, dst))
    check_target(dst, "labels")
    case = read_case([Path(src), *files[1:]], channels, recipe, how)
    check_holds(target.path, "labels", case.result.stacked)
    try:
        labels = segment_channels(engine, recipe, case.channels, case.spacing_mm, progress, options)
    except ValueError as error:
        raise type(error)(f"{src}: {error}") from error
    names, colors = _by_label(engine, recipe)
    result = replace(case.result, dtype=labels.dtype, classes=names, colors=colors)
    save_result(target, result, _pages(labels))


def _pages(labels: npt.NDArray[Any]) -> Iterator[Band]:
    for page, plane in enumerate(labels):
        yield Band(page, 0, np.ascontiguousarray(plane))


def _by_label(
    engine: Engine, recipe: Recipe
) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Names and colours of classes in the order of their labels; regions may have any."""
    info, labels = engine.info, recipe.labels
    if recipe.regions:
        labels = (0, *labels)
    of = {label: index for index, label in enumerate(labels)}
    order = [of.get(label, 0) for label in range(max(labels) + 1)]
    return tuple(info.classes[i] for i in order), tuple(info.colors[i] for i in order)
