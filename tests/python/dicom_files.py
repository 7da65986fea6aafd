"""DICOM files as devices write them, by pydicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

CT, SC, OPT = (
    uid.CTImageStorage,
    uid.SecondaryCaptureImageStorage,
    uid.OphthalmicTomographyImageStorage,
)
SLIDE = uid.VLWholeSlideMicroscopyImageStorage
STUDY, SERIES, FRAME_OF_REFERENCE = (uid.generate_uid() for _ in range(3))


def dataset(pixels: np.ndarray, kind: str = SC, **elements) -> Dataset:
    """Pixels of shape (H, W), (N, H, W), (H, W, 3) or (N, H, W, 3), without compression.

    Elements are by keyword; None leaves one out.
    """
    colour = pixels.shape[-1] == 3
    shape = pixels.shape[:-1] if colour else pixels.shape
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = kind
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid.generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, SERIES
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "OT", 1, 1
    ds.PatientID, ds.PatientName = "1", "A^B"
    ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ""
    ds.StudyDate, ds.StudyTime, ds.ReferringPhysicianName = "20260101", "120000", ""
    ds.Rows, ds.Columns = shape[-2:]
    if len(shape) == 3:
        ds.NumberOfFrames = shape[0]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    content = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    ds.PixelData = content + b"\0" * (len(content) % 2)
    for name, value in elements.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    if "BitsStored" in elements and "HighBit" not in elements:
        ds.HighBit = ds.BitsStored - 1
    return ds


def save(ds: Dataset, path: Path) -> Path:
    ds.save_as(path, enforce_file_format=True)
    return path


def ct_slice(pixels: np.ndarray, position: tuple[float, ...], number: int = 1, **more) -> Dataset:
    """A slice of a CT, with HU."""
    usual = dict(
        Modality="CT", FrameOfReferenceUID=FRAME_OF_REFERENCE, ImageType=["ORIGINAL", "PRIMARY"],
        ImagePositionPatient=list(position), ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[0.5, 0.75], SliceThickness=2, RescaleSlope=1, RescaleIntercept=-1024,
        InstanceNumber=number, PositionReferenceIndicator="",
    )  # fmt: skip
    return dataset(pixels, CT, **{**usual, **more})


def item(**elements) -> Dataset:
    ds = Dataset()
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def sequence(**elements) -> Sequence:
    return Sequence([item(**elements)])


def oct_volume(pixels: np.ndarray, positions: list[tuple[float, ...]], eye: str = "L") -> Dataset:
    """An ophthalmic tomography: B-scans of 3.9 x 11 um."""
    shared = item(
        PixelMeasuresSequence=sequence(PixelSpacing=[0.0039, 0.011], SliceThickness=0.12),
        PlaneOrientationSequence=sequence(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        FrameAnatomySequence=sequence(FrameLaterality=eye),
    )
    frames = [
        item(
            PlanePositionSequence=sequence(ImagePositionPatient=list(position)),
            FrameContentSequence=sequence(DimensionIndexValues=[number]),
        )
        for number, position in enumerate(positions, 1)
    ]
    return dataset(
        pixels, OPT, Modality="OPT", ImageLaterality=eye, FrameOfReferenceUID=FRAME_OF_REFERENCE,
        SharedFunctionalGroupsSequence=Sequence([shared]), PositionReferenceIndicator="",
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )  # fmt: skip


def slide(matrix: np.ndarray, tile: int, sparse: bool = False, **more) -> Dataset:
    """A level of a whole slide, cut into square tiles."""
    height, width = matrix.shape[:2]
    down, across = -(-height // tile), -(-width // tile)
    padded = np.full((down * tile, across * tile, *matrix.shape[2:]), 7, matrix.dtype)
    padded[:height, :width] = matrix
    places = [(y * tile, x * tile) for y in range(down) for x in range(across)]
    if sparse:  # in another order, the first left out
        places = places[:0:-1]
    tiles = np.stack([padded[y : y + tile, x : x + tile] for y, x in places])
    usual = dict(
        Modality="SM", ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        TotalPixelMatrixRows=height, TotalPixelMatrixColumns=width,
        FrameOfReferenceUID=FRAME_OF_REFERENCE, ContainerIdentifier="S1",
        TotalPixelMatrixOriginSequence=sequence(
            XOffsetInSlideCoordinateSystem=0, YOffsetInSlideCoordinateSystem=0
        ),
        ImageOrientationSlide=[0, 1, 0, 1, 0, 0],
        DimensionOrganizationType="TILED_SPARSE" if sparse else "TILED_FULL",
        SharedFunctionalGroupsSequence=sequence(
            PixelMeasuresSequence=sequence(PixelSpacing=[0.00025, 0.00025], SliceThickness=0.001)
        ),
    )  # fmt: skip
    if sparse:
        usual["PerFrameFunctionalGroupsSequence"] = Sequence(
            [
                item(
                    PlanePositionSlideSequence=sequence(
                        RowPositionInTotalImagePixelMatrix=y + 1,
                        ColumnPositionInTotalImagePixelMatrix=x + 1,
                    )
                )
                for y, x in places
            ]
        )
    return dataset(tiles, SLIDE, **{**usual, **more})
