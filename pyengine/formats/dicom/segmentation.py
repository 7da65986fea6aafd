"""DICOM Segmentations of labels, which refer to the images that they are of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyengine import _core
from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.dicom.header import read_header
from pyengine.formats.dicom.reader import frame_order
from pyengine.formats.format import Array, Band, Result, fill

_SCHEME = "99PYENGINE"  # of codes for classes, which engines name as they like
# Elements that a source may lack and a Segmentation must have, if empty.
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip


def check_source(files: tuple[Path, ...], result: Result) -> None:
    """Refuse results whose source cannot be referred to.

    Raises
    ------
    ImageRefusedError
        It is no DICOM image, or has other pixels.
    """
    if not files:
        raise ImageRefusedError(
            "a DICOM Segmentation refers to the DICOM images that it is of; of other files write "
            "another format"
        )
    header = _header(files[0])
    is_slide = "TotalPixelMatrixRows" in header
    names = ("TotalPixelMatrixRows", "TotalPixelMatrixColumns") if is_slide else ("Rows", "Columns")
    size = tuple(int(header.get(name, 0)) for name in names)
    if size != result.page_shape:
        raise ImageRefusedError(
            f"labels of {result.page_shape} px cannot refer to images of {size} px; write them to "
            "another format"
        )
    if result.pages > 1 and "FrameOfReferenceUID" not in header:
        raise ImageRefusedError(
            "a DICOM Segmentation of several frames refers to where they lie, and the source does not "
            "say it; write the labels to another format"
        )
    if len(result.classes) == 1:
        raise ImageRefusedError("a DICOM Segmentation needs a class besides the background")


def write_segmentation(
    path: Path, files: tuple[Path, ...], result: Result, bands: Iterator[Band]
) -> None:
    """Write labels, all in memory, as segments: class 0 is the background and has none."""
    import highdicom as hd

    labels = np.empty((result.pages, *result.page_shape), np.uint8)
    fill(labels if result.stacked else labels[0], result, bands)
    headers = [_header(file) for file in files]
    is_slide = "TotalPixelMatrixRows" in headers[0]
    order = None if is_slide or len(files) > 1 else frame_order(headers[0])
    if order is not None:
        stored = np.empty_like(labels)
        stored[order] = labels  # in the order of the source's frames
        labels = stored
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sources that are not quite by the standard
        segmentation = hd.seg.Segmentation(
            source_images=headers,
            pixel_array=labels,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=_segments(result, labels),
            series_instance_uid=hd.UID(),
            series_number=_number(headers[0], "SeriesNumber") * 100 + 1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="pyengine",
            manufacturer_model_name="pyengine",
            software_versions=_core.__version__,
            device_serial_number="0",
            content_label="SEGMENTATION",
            series_description="Segmentation by pyengine",
            # Of slides empty tiles are left out; a stack keeps all images that it was made from.
            omit_empty_frames=is_slide and bool(labels.any()),
            tile_pixel_array=is_slide,
        )
        if "FrameOfReferenceUID" not in segmentation or is_slide:
            # Must be there where directions are not, if empty.
            segmentation.PatientOrientation = headers[0].get("PatientOrientation", "")
        segmentation.save_as(path, enforce_file_format=True)


def _segments(result: Result, labels: Array) -> list[Any]:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    names = result.classes or [str(label) for label in range(max(int(labels.max()), 1) + 1)]
    algorithm = hd.AlgorithmIdentificationSequence(
        name="pyengine", family=codes.DCM.ArtificialIntelligence, version=_core.__version__
    )
    segments = []
    for number, name in enumerate(names[1:], 1):
        color = None
        if number < len(result.colors):
            color = hd.color.CIELabColor.from_rgb(*result.colors[number])
        segments.append(
            hd.seg.SegmentDescription(
                segment_number=number,
                segment_label=name[:64],
                segmented_property_category=codes.SCT.Tissue,
                segmented_property_type=hd.sr.CodedConcept(f"CLASS{number}", _SCHEME, name[:64]),
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm_identification=algorithm,
                display_color=color,
            )
        )
    return segments


def _header(path: Path) -> Any:
    with path.open("rb") as file:
        header = read_header(file)
    for name in _MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, "")
    return header


def _number(header: Any, name: str) -> int:
    value = header.get(name)
    return 1 if value is None or value < 1 else min(int(value), 9999)
