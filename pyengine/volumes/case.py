"""Files of one case: a volume's channels, read together, and its labels, written.

nnU-Net's names: ``CASE_0000.nii.gz``, ``CASE_0001.nii.gz`` and so on are channels of ``CASE``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine.arguments import SegmentKeywords
from pyengine.atomic_file import refuse_what_is_no_file, write_atomically
from pyengine.distinct_files import check_distinct
from pyengine.formats.format import Band, Result
from pyengine.formats.registry import check_holds, locate_result, open_image, save_result
from pyengine.progress import Progress
from pyengine.volumes.nifti import SUFFIXES, NiftiVolume, is_nifti, read_nifti, write_nifti
from pyengine.volumes.segment import recipe_for, segment_channels

if TYPE_CHECKING:
    from pyengine.engine import Engine

_CHANNEL = re.compile(r"(.+)_(\d{4})")
# What nnU-Net takes for the spacing of pictures.
_PICTURE_SPACING = (999.0, 1.0, 1.0)


@dataclass(frozen=True)
class Case:
    """Channels of one volume.

    Attributes
    ----------
    channels : ndarray, shape (C, z, y, x)
    spacing_mm : (float, float, float)
    geometry : NiftiVolume or None
        Of the first channel, for results; None of a picture.
    """

    channels: npt.NDArray[Any]
    spacing_mm: tuple[float, float, float]
    geometry: NiftiVolume | None


def case_name(path: Path) -> str:
    """The name without suffix, and without the number of a channel."""
    name, _ = split_suffix(path)
    match = _CHANNEL.fullmatch(name)
    return match[1] if match else name


def channel_of(path: Path) -> int:
    """The number of a channel that a file's name ends in; 0 where it ends in none."""
    match = _CHANNEL.fullmatch(split_suffix(path)[0])
    return int(match[2]) if match else 0


def split_suffix(path: Path) -> tuple[str, str]:
    """Name and suffix; ``.nii.gz`` is one."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)], path.name[-len(suffix) :]
    return path.stem, path.suffix


def channel_files(path: Path, channels: int) -> list[Path]:
    """The files of all channels of a case, from that of the first.

    Raises
    ------
    FileNotFoundError, ValueError
        There are none for some channels, or more than the network takes.
    """
    name, suffix = split_suffix(path)
    match = _CHANNEL.fullmatch(name)
    if match is None:
        return [path]
    if int(match[2]) != 0:
        raise ValueError(f"{path}: is channel {int(match[2])} of a case; name that of channel 0")
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


def read_case(files: list[Path], channels: int) -> Case:
    """All channels of a case.

    Raises
    ------
    OSError, ValueError
        A file that cannot be read, or channels that do not fit each other or the network.
    """
    for file in files:
        if not file.exists():
            raise FileNotFoundError(f"{file}: no such file")
    if not is_nifti(files[0]):
        return _pictures(files, channels)
    volumes = [read_nifti(file) for file in files]
    first = volumes[0]
    for file, volume in zip(files[1:], volumes[1:], strict=True):
        for what, one, other in (
            ("shape", volume.values.shape, first.values.shape),
            ("spacing", volume.spacing_mm, first.spacing_mm),
        ):
            if one != other:
                raise ValueError(f"{file}: {what} {one} differs from {other} of {files[0]}")
        if not np.allclose(volume.image.affine, first.image.affine, atol=1e-3):
            warnings.warn(f"{file}: lies elsewhere than {files[0]}", UserWarning, stacklevel=2)
    return _fitting(np.stack([v.values for v in volumes]), files, channels, first.spacing_mm, first)


def _pictures(files: list[Path], channels: int) -> Case:
    planes = []
    for file in files:
        with open_image(str(file), channels if len(files) == 1 else 1) as reader:
            if reader.stacked:
                raise ValueError(
                    f"{file}: a stack of images has no spacing, which volumes need; save it as NIfTI"
                )
            rows = reader.rows(0, 0, reader.shape[0])
            planes += list(np.moveaxis(np.atleast_3d(rows), -1, 0))
    if len({plane.shape for plane in planes}) > 1:
        raise ValueError(f"{files[0]}: its channels differ in size")
    return _fitting(np.stack(planes)[:, None], files, channels, _PICTURE_SPACING, None)


def _fitting(
    array: npt.NDArray[Any],
    files: list[Path],
    channels: int,
    spacing: tuple[float, float, float],
    geometry: NiftiVolume | None,
) -> Case:
    if len(array) != channels:
        raise ValueError(
            f"{files[0]}: has {len(array)} channel(s), the network takes {channels}; channels are "
            "files CASE_0000, CASE_0001 and so on"
        )
    return Case(array, spacing, geometry)


def segment_case(
    engine: Engine, src: str, dst: str, output: str, progress: Progress, options: SegmentKeywords
) -> None:
    """`Engine.segment_file` for engines whose file says how volumes are prepared."""
    recipe = recipe_for(engine, options)
    if output != "labels":
        raise ValueError(f"output {output!r}: of volumes, labels are written")
    target = Path(dst)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent}: no such folder")
    channels = int(engine.info.input["channels"])
    files = channel_files(Path(src), channels)
    check_distinct([*files, Path(engine.info.path)], [(target, src)])
    check_case_target(target, is_nifti(files[0]))
    case = read_case(files, channels)
    try:
        labels = segment_channels(engine, recipe, case.channels, case.spacing_mm, progress, options)
    except ValueError as error:
        raise type(error)(f"{src}: {error}") from error
    write_case(target, labels, case)


def check_case_target(target: Path, from_nifti: bool) -> None:
    """Refuse a target that cannot hold the labels of a case, or that holds what is not replaced."""
    if is_nifti(target):
        if not from_nifti:
            raise ValueError(f"{target}: a picture has no geometry for NIfTI; write .png or .tif")
        refuse_what_is_no_file(target)
        return
    location = locate_result(str(target), "labels")
    check_holds(location.path, "labels", stacked=from_nifti)
    refuse_what_is_no_file(location.path)


def write_case(target: Path, labels: npt.NDArray[Any], case: Case) -> None:
    """Labels (z, y, x), complete or not at all; NIfTI keeps the geometry of the case."""
    geometry = case.geometry
    if geometry is not None and is_nifti(target):
        write_atomically(target, lambda path: write_nifti(path, labels, geometry))
        return
    stacked = geometry is not None
    result = Result(labels.shape[1:], labels.dtype, len(labels), stacked)

    def pages() -> Iterator[Band]:
        for page, plane in enumerate(labels):
            yield Band(page, 0, np.ascontiguousarray(plane))

    save_result(locate_result(str(target), "labels"), result, pages())
