"""Which files of a folder are one image: the slices of a series, the levels of a slide."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.dicom.header import MARK, MARK_AT, orientation, positions, read_header

_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_TAGS = (
    "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Rows",
    "Columns", "NumberOfFrames", "ImageOrientationPatient", "ImagePositionPatient", "ImageType",
    "TotalPixelMatrixRows", "TotalPixelMatrixColumns", "PhotometricInterpretation", "BitsStored",
)  # fmt: skip


@dataclass(frozen=True)
class _Member:
    """A file: what it must share with the others of its image, and its place among them."""

    path: Path
    key: tuple[Any, ...]
    place: float

    @property
    def is_alone(self) -> bool:
        return not self.key


def files_of(path: Path) -> tuple[Path, ...]:
    """All files of the image that a file, or a folder with one series, is part of.

    Slices are sorted along their normal, levels of a slide from the largest. What says nothing of
    its place, has several frames or is a slide's label is an image by itself.
    """
    first = None if path.is_dir() else _member_at(path)
    if not path.is_dir() and (first is None or first.is_alone):
        return (path,)
    members = _members(path if path.is_dir() else path.parent)
    first = first or members[0]
    own = [member for member in members if member.key == first.key]
    return tuple(m.path for m in sorted(own, key=lambda m: (m.place, m.path.name)))


def is_series(folder: Path) -> bool:
    """Whether a folder holds one series of several files and nothing else."""
    names = [p for p in folder.iterdir() if not p.name.startswith(".") and p.name != "DICOMDIR"]
    if len(names) < 2 or not all(p.is_file() and has_mark(p) for p in names):
        return False
    try:
        members = _members(folder)
    except ImportError:  # it will be told where the folder is opened
        return True
    keys = {member.key for member in members}
    return len(members) == len(names) and len(keys) == 1 and not members[0].is_alone


def has_mark(path: Path) -> bool:
    """Whether a file begins as DICOM files do."""
    try:
        with path.open("rb") as file:
            return file.read(MARK_AT + len(MARK))[MARK_AT:] == MARK
    except OSError:
        return False


def _members(folder: Path) -> list[_Member]:
    paths = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".") and p.is_file()]
    return [member for member in map(_member_at, paths) if member is not None]


def _member_at(path: Path) -> _Member | None:
    status = path.stat()
    return _member(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1 << 14)
def _member(path: Path, size: int, time_ns: int) -> _Member | None:
    if not has_mark(path):
        return None
    try:
        with path.open("rb") as file:
            header = read_header(file)
        return _Member(path, *_place(header))
    except ImportError:
        raise
    except Exception:  # damaged, or no image: its own reader will say so
        return _Member(path, (), 0.0)


def _place(header: Any) -> tuple[tuple[Any, ...], float]:
    kind = header.get("SOPClassUID")
    shared = (
        kind, header.get("StudyInstanceUID"), header.get("SeriesInstanceUID"),
        header.get("FrameOfReferenceUID"), header.get("PhotometricInterpretation"),
        header.get("BitsStored"),
    )  # fmt: skip
    if shared[2] is None:
        return (), 0.0
    if kind == _SLIDE:
        if "VOLUME" not in header.get("ImageType", []):
            return (), 0.0
        return shared, -float(header.TotalPixelMatrixRows * header.TotalPixelMatrixColumns)
    axes, at = orientation(header), positions(header)
    if axes is None or len(at) != 1 or header.get("NumberOfFrames", 1) != 1:
        return (), 0.0
    turn = tuple(round(v, 4) + 0.0 for v in axes)
    key = (*shared, header.get("Rows"), header.get("Columns"), turn)
    return key, float(np.cross(axes[:3], axes[3:]) @ np.array(at[0]))
