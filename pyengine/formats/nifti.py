"""NIfTI: pages are slices along the last stored axis, as SimpleITK's (z, y, x)."""

from __future__ import annotations

import gzip
import math
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import (
    Array,
    Band,
    Format,
    Library,
    Location,
    Reader,
    ReadOptions,
    Result,
)  # fmt: skip
from pyengine.formats.geometry import Geometry

_GZIP = b"\x1f\x8b"
_FIRST, _SECOND = b"n+1\0", b"n+2\0"  # NIfTI-1 and NIfTI-2 in one file
_FIRST_AT, _SECOND_AT = 344, 4
_LARGEST_SIDE = 0x7FFF  # of NIfTI-1
_MM = {"meter": 1e3, "micron": 1e-3}
_COMPRESSION_LEVEL = 6
_DEFLATE_RATIO = 1032  # the most that a byte of a packed file can become


class Nifti(Format):
    """Labels (x, y, z), scores (x, y, z, class), with the source's matrix.

    The file's axes are x, y and z: a page is (y, x), and pages are along z. Values that a file
    scales are computed in float64 and rounded to float32.
    """

    title = "NIfTI"
    noun = "NIfTI volume"
    suffixes = (".nii", ".nii.gz")
    written_suffixes = (".nii.gz", ".nii")
    libraries = (Library(("nibabel",), "nifti"),)

    def is_begun_by(self, head: bytes) -> bool:
        if head[:2] == _GZIP:
            try:
                head = zlib.decompressobj(wbits=31).decompress(head, 1024)
            except zlib.error:
                return False
        return _magic(head) is not None

    def open(self, source: Location, options: ReadOptions) -> Reader:
        return NiftiReader(source.path, options)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        plain = target.path.with_name("plain.nii")
        with plain.open("w+b") as file:
            _write(file, result, bands)
        if target.path.suffix.lower() != ".gz":
            plain.rename(target.path)
            return
        with (
            plain.open("rb") as file,
            target.path.open("wb") as packed,
            # Without name and time, so that equal labels are equal files.
            gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, packed, mtime=0) as zipped,
        ):
            shutil.copyfileobj(file, zipped, 1 << 20)
        plain.unlink()


class NiftiReader(ArrayReader):
    """Slices of a volume, decoded one at a time.

    Raises
    ------
    ImageRefusedError
        A series of volumes, or values that are no grey values.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        from nibabel.fileholders import FileHolder
        from nibabel.nifti1 import Nifti1Image
        from nibabel.nifti2 import Nifti2Image

        with path.open("rb") as start:
            packed = start.read(2) == _GZIP
        file: Any = gzip.open(path) if packed else path.open("rb")  # noqa: SIM115, closed below
        try:
            magic = _magic(file.read(_FIRST_AT + 4))
            if magic is None:
                raise ImageRefusedError("its header is not that of NIfTI in one file")
            file.seek(0)
            kind = Nifti2Image if magic == _SECOND else Nifti1Image
            image = kind.from_file_map({"image": FileHolder(fileobj=file)})
            voxels = _Voxels(image)
            _refuse_missing(voxels, path.stat().st_size * (_DEFLATE_RATIO if packed else 1))
            said = "XYZ"[: len(voxels.shape)]
            super().__init__(voxels, options, file.close, said)
            file.seek(0)
            stored = type(image.header).from_fileobj(file, check=False)
            self.geometry = self._turned(_geometry(stored))
            self.calibration = self.geometry.calibration if self.geometry else None
        except BaseException:
            file.close()
            raise

    def _turned(self, geometry: Geometry | None) -> Geometry | None:
        """Of pages (y, x), whichever of the file's axes the user calls so."""
        if len(self._letters) < 3 or not self.stack or geometry is None:
            return geometry if self._letters == "XY" else None
        names = ("X", "Y", self.stack[0][0])
        return geometry.turned([self._letters.index(name) for name in names])


class _Voxels:
    """The stored array, (x, y, z); the last slice read is kept."""

    def __init__(self, image: Any) -> None:
        shape = tuple(int(n) for n in image.shape)
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) > 3:
            raise ImageRefusedError(
                f"is a series of {math.prod(shape[3:])} volumes, shape {shape}; split it into "
                "volumes first"
            )
        if len(shape) < 2 or 0 in shape:
            raise ImageRefusedError(f"shape {shape} is neither an image nor a volume")
        self.stored = np.dtype(image.get_data_dtype())
        if self.stored.kind not in "biuf":
            raise ImageRefusedError(f"values of type {self.stored} are no grey values")
        self._data = image.dataobj
        self._data_axes = len(image.shape)
        plain = (self._data.slope, self._data.inter) == (1, 0)
        self.shape, self.dtype = shape, self.stored if plain else np.dtype(np.float32)
        self._kept: tuple[int, Array] | None = None

    def __getitem__(self, key: tuple[Any, ...]) -> Array:
        if len(key) == 3 and isinstance(key[2], int):
            return np.asarray(self._slice(key[2])[key[:2]])
        return self._read(key)

    def _slice(self, z: int) -> Array:
        if self._kept is None or self._kept[0] != z:
            self._kept = z, self._read((slice(None), slice(None), z))
        return self._kept[1]

    def _read(self, key: tuple[Any, ...]) -> Array:
        more = (0,) * (self._data_axes - len(key))
        return np.asarray(self._data[(*key, *more)]).astype(self.dtype, copy=False)


def _refuse_missing(voxels: _Voxels, most_bytes: int) -> None:
    needed = math.prod(voxels.shape) * voxels.stored.itemsize
    if needed > most_bytes:
        raise EOFError(f"it says {voxels.shape}, {needed} bytes, and holds {most_bytes} at most")


def _magic(head: bytes) -> bytes | None:
    if head[_FIRST_AT : _FIRST_AT + 4] == _FIRST:
        return _FIRST
    return _SECOND if head[_SECOND_AT : _SECOND_AT + 4] == _SECOND else None


def _geometry(header: Any) -> Geometry | None:
    # (nibabel mends what is missing to 1 mm, but not in a header that it did not check.)
    said = np.array([*header["pixdim"][1 : 1 + min(3, header["dim"][0])], 1.0, 1.0][:3], np.float64)
    is_told = np.isfinite(said).all() and (said > 0).all()
    if not is_told and header["sform_code"] == 0:
        return None
    mm = _MM.get(header.get_xyzt_units()[0], 1.0)
    scale = np.diag([mm, mm, mm, 1.0])
    affine = scale @ header.get_best_affine()
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    # The header's own numbers, where they are those of its matrix.
    same = is_told and np.allclose(mm * said, lengths, rtol=1e-3)
    return Geometry.from_ras(affine, mm * said if same else lengths)


def _write(file: Any, result: Result, bands: Iterator[Band]) -> None:
    """Header and voxels, x fastest; of scores the classes are the last axis."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    *classes, height, width = result.page_shape
    shape = (width, height, *((result.pages,) if result.stacked or classes else ()), *classes)
    large = max(shape) > _LARGEST_SIDE
    header = (Nifti2Header if large else Nifti1Header)()
    header.set_data_shape(shape)
    header.set_data_dtype(result.dtype)
    geometry = result.geometry or Geometry.from_calibration(result.calibration)
    if geometry is not None:
        # Rotation and spacing cannot say what is sheared: then the matrix alone does.
        axes = geometry.directions
        straight = np.allclose(axes.T @ axes, np.eye(3), atol=1e-4)
        header.set_sform(geometry.ras, code="scanner")
        if straight:
            header.set_qform(geometry.ras, code="scanner")
        header.set_xyzt_units("mm")
        header["pixdim"][1:4] = geometry.spacing_mm
    start = 544 if large else 352
    header["vox_offset"] = start
    header.write_to(file)
    for band in bands:
        for k, plane in enumerate(band.values.reshape(-1, *band.values.shape[-2:])):
            row = (k * result.pages + band.page) * height + band.begin
            file.seek(start + row * width * result.dtype.itemsize)
            file.write(plane.tobytes())
