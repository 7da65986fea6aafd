"""Headers of DICOM files: read without pixels, also where the file begins without its mark."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError

MARK, MARK_AT = b"DICM", 128


def read_header(file: Any) -> Any:
    """All that comes before the pixels; the file is left where they begin.

    Parameters
    ----------
    file : binary file

    Returns
    -------
    pydicom.Dataset
        With a transfer syntax; that of files without one follows from how they are read.

    Raises
    ------
    ImageRefusedError
        No DICOM, or the list of a medium's files.
    """
    import pydicom
    from pydicom import uid

    begin = file.read(MARK_AT + len(MARK))
    file.seek(0)
    header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    if begin[MARK_AT:] != MARK and "SOPClassUID" not in header:
        raise ImageRefusedError("is no DICOM file")
    if header.get("SOPClassUID", header.file_meta.get("MediaStorageSOPClassUID")) == (
        uid.MediaStorageDirectoryStorage
    ):
        raise ImageRefusedError("is the list of a medium's files; name the folder of a series")
    if "TransferSyntaxUID" not in header.file_meta:
        implicit, little = header.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    return header


def groups_of(header: Any, name: str) -> list[Any]:
    """A functional group of each frame, or a single one of all; empty where there is none."""
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    own = [groups[name].value[0] for groups in each if name in groups]
    if own:
        return own
    shared = header.get("SharedFunctionalGroupsSequence") or []
    return [groups[name].value[0] for groups in shared if name in groups]


def pixel_spacing(header: Any) -> tuple[float, float] | None:
    """Of rows and of columns [mm]; None where it is not said."""
    places = [header, *groups_of(header, "PixelMeasuresSequence")[:1]]
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        for place in places:
            values = place.get(name)
            if values and len(values) == 2 and min(map(float, values)) > 0:
                return float(values[0]), float(values[1])
    return None


def positions(header: Any) -> list[tuple[float, ...]]:
    """Of the first pixel of each frame [mm]; empty where they are not said."""
    if "ImagePositionPatient" in header:
        return [tuple(map(float, header.ImagePositionPatient))]
    groups = groups_of(header, "PlanePositionSequence")
    return [
        tuple(map(float, group.ImagePositionPatient))
        for group in groups
        if group.get("ImagePositionPatient")
    ]


def orientation(header: Any) -> tuple[float, ...] | None:
    """Directions along a row and along a column; None where it is not said, or not the same."""
    if "ImageOrientationPatient" in header:
        found = [header.ImageOrientationPatient]
    else:
        groups = groups_of(header, "PlaneOrientationSequence")
        found = [g.ImageOrientationPatient for g in groups if g.get("ImageOrientationPatient")]
    if not found:
        return None
    first = np.array(found[0], float)
    same = all(np.allclose(np.array(one, float), first, atol=1e-4) for one in found)
    return tuple(float(v) for v in first) if same and first.shape == (6,) else None


def laterality(header: Any) -> str:
    """The side of a body part: "L", "R" or empty."""
    anatomy = groups_of(header, "FrameAnatomySequence")
    names = ("ImageLaterality", "Laterality", "FrameLaterality")
    for place in (header, *anatomy[:1]):
        for name in names:
            if place.get(name) in ("L", "R"):
                return str(place.get(name))
    return ""
