"""NIfTI volumes: values as (z, y, x), spacing, and the geometry that results keep."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SUFFIXES = (".nii.gz", ".nii")
_DEPTH_OF_ONE_SLICE = 999  # what nnU-Net takes, in pixels


@dataclass(frozen=True)
class NiftiVolume:
    """One volume of a file.

    Attributes
    ----------
    values : ndarray, shape (z, y, x)
        The file's axes, reversed, as SimpleITK gives them.
    spacing_mm : (float, float, float)
        Along z, y and x.
    image : nibabel image
        For the geometry of results.
    """

    values: npt.NDArray[Any]
    spacing_mm: tuple[float, float, float]
    image: Any


def is_nifti(path: Path) -> bool:
    """Whether the name is one of a NIfTI file."""
    return path.name.lower().endswith(SUFFIXES)


def read_nifti(path: Path) -> NiftiVolume:
    """Read a volume.

    Raises
    ------
    ImportError
        nibabel is missing; names the extra that brings it.
    FileNotFoundError, ValueError
        No volume, or one without spacing, and why.
    """
    nibabel = _nibabel()
    try:
        image = nibabel.load(path)
        steps = _stored_spacing(image)
        shape = image.shape
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        _check(path, shape, steps[: len(shape)], image.get_data_dtype())
        values = _values(image).reshape(shape, order="F")
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError,
            nibabel.wrapstruct.WrapStructError, EOFError, OSError, zlib.error) as error:  # fmt: skip
        words = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read as NIfTI: {words}") from error
    spacing = [float(step) for step in steps[: len(shape)][::-1]]
    if len(shape) == 2:
        values, spacing = values[..., None], [_DEPTH_OF_ONE_SLICE * max(spacing), *spacing]
    z, y, x = spacing
    return NiftiVolume(values.transpose(2, 1, 0), (z, y, x), image)


def write_nifti(path: Path, labels: npt.NDArray[Any], like: NiftiVolume) -> None:
    """Write labels (z, y, x) with the geometry of the volume that they are of."""
    nibabel = _nibabel()
    header = like.image.header.copy()
    header.set_data_dtype(labels.dtype)
    for name in ("scl_slope", "scl_inter", "cal_min", "cal_max"):
        if name in header:
            header[name] = 0 if name.startswith("cal") else np.nan
    values = labels.transpose(2, 1, 0).reshape(like.image.shape, order="F")
    kind = (
        nibabel.Nifti2Image if isinstance(like.image, nibabel.Nifti2Image) else nibabel.Nifti1Image
    )
    nibabel.save(kind(np.asfortranarray(values), like.image.affine, header), path)


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise ImportError(
            "NIfTI files need 'nibabel'; install it with pip install \"pyengine[volumes]\""
        ) from error
    return nibabel


def _stored_spacing(image: Any) -> npt.NDArray[np.float64]:
    """As in the file: nibabel mends a missing spacing to 1 mm without a word."""
    holder = image.file_map.get("header") or image.file_map["image"]
    if holder.filename is None:
        holder = image.file_map["image"]
    with holder.get_prepare_fileobj("rb") as file:
        raw = type(image.header).from_fileobj(file, check=False)
    steps: npt.NDArray[np.float64] = np.abs(np.asarray(raw["pixdim"][1:], float))
    return steps


def _check(path: Path, shape: tuple[int, ...], steps: Any, dtype: np.dtype[Any]) -> None:
    if len(shape) > 3:
        raise ValueError(
            f"{path}: is a series of {int(np.prod(shape[3:]))} volumes (shape {shape}); an engine "
            "takes one at a time: split it first"
        )
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"{path}: shape {shape} is no volume")
    if dtype.kind not in "biuf":
        raise ValueError(f"{path}: values of type {dtype} are no grey values")
    if not all(np.isfinite(step) and step > 0 for step in steps):
        raise ValueError(
            f"{path}: the file gives no spacing along every axis (pixdim "
            f"{', '.join(f'{step:g}' for step in steps)}); put the size of a voxel in mm there"
        )


def _values(image: Any) -> npt.NDArray[Any]:
    """Unscaled integers as they are; all else as nibabel gives it, in float32."""
    values = np.asanyarray(image.dataobj)
    return values if values.dtype.kind in "biu" else np.asarray(values, np.float32)
