"""MetaImage and NRRD, by SimpleITK: volumes with spacing, place and direction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError, check_pixels
from pyengine.formats.format import (
    Array,
    Band,
    Format,
    Library,
    Location,
    Reader,
    ReadOptions,
    Result,
    fill,
)  # fmt: skip
from pyengine.formats.geometry import Geometry

_HEADER_BYTES = 1 << 16
# Where the pixels of a header lie: in the file itself ("LOCAL"), or in others that it names.
_DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file\s*:)[ \t]*([^\r\n]*)", re.M | re.I)
_PACKED = re.compile(rb"^CompressedData\s*=\s*True", re.M | re.I)
_NOTES = ("laterality",)


class Itk(Format):
    """One of ITK's formats: pages are (y, x), along z; scores are pixels of several values.

    MetaImage without compression is read slice by slice, all else whole.

    Parameters
    ----------
    title : str
    suffixes, written_suffixes : tuple of str
    marks : tuple of bytes
        What files begin with.
    """

    libraries = (Library(("SimpleITK",), "itk"),)

    def __init__(
        self, title: str, suffixes: tuple[str, ...], written: str, marks: tuple[bytes, ...]
    ) -> None:
        self.title, self.noun, self.suffixes = title, f"{title} volume", suffixes
        self.written_suffixes, self._marks = (written,), marks

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith(self._marks)

    def open(self, source: Location, options: ReadOptions) -> Reader:
        return ItkReader(source.path, options)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        import SimpleITK

        array = np.empty(result.shape, result.dtype)
        fill(array, result, bands)
        has_classes = len(result.page_shape) > 2
        if has_classes:
            array = np.ascontiguousarray(np.moveaxis(array, -3, -1))
        image = SimpleITK.GetImageFromArray(array, isVector=has_classes)
        geometry = result.geometry or Geometry.from_calibration(result.calibration)
        if geometry is not None:
            axes = image.GetDimension()
            image.SetSpacing(geometry.spacing_mm[:axes])
            image.SetOrigin(geometry.origin[:axes])
            if axes == 3:
                image.SetDirection(geometry.directions.ravel().tolist())
        for name, value in result.notes.items():
            image.SetMetaData(name, value)
        SimpleITK.WriteImage(image, str(target.path), useCompression=not has_classes)


METAIMAGE = Itk("MetaImage", (".mha", ".mhd"), ".mha", (b"ObjectType", b"NDims", b"Comment ="))
NRRD = Itk("NRRD", (".nrrd", ".nhdr"), ".nrrd", (b"NRRD000",))


class ItkReader(Reader):
    """Slices of a volume.

    Raises
    ------
    ImageRefusedError
        More than three axes, or pixels in a file elsewhere.
    """

    axes_by = "the file"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        import SimpleITK

        if options.axes is not None:
            raise ImageRefusedError("axes are not chosen here: the file names them")
        head = _refuse_elsewhere(path)
        name = "NrrdImageIO" if head.startswith(b"NRRD") else "MetaImageIO"
        self._reader = SimpleITK.ImageFileReader()
        self._reader.SetImageIO(name)
        self._reader.SetFileName(str(path))
        self._reader.ReadImageInformation()
        size = self._reader.GetSize()
        if len(size) not in (2, 3):
            raise ImageRefusedError(f"has {len(size)} axes, {size}; images and volumes are taken")
        self._size = size
        self.stacked = len(size) == 3
        self.pages = size[2] if self.stacked else 1
        channels = self._reader.GetNumberOfComponents()
        self.shape = (size[1], size[0], *((channels,) if channels > 1 else ()))
        self.axes = ("ZYX" if self.stacked else "YX") + ("C" if channels > 1 else "")
        self.stack = (("Z", self.pages),) if self.stacked else ()
        self._streams = name == "MetaImageIO" and not _PACKED.search(head)
        one = SimpleITK.Image([1] * len(size), self._reader.GetPixelID(), channels)
        self.dtype = SimpleITK.GetArrayViewFromImage(one).dtype
        if not self._streams:
            check_pixels(self.pages * size[1], size[0], options.max_pixels)
        self._place()
        keys = self._reader.GetMetaDataKeys()
        self.notes = {n: self._reader.GetMetaData(n) for n in _NOTES if n in keys}
        self._kept: tuple[int, Array] | None = None

    def rows(self, page: int, begin: int, end: int) -> Array:
        at = page if self._streams else 0
        if self._kept is None or self._kept[0] != at:
            self._kept = at, self._read(page)
        kept = self._kept[1]
        return kept[begin:end] if self._streams or not self.stacked else kept[page, begin:end]

    def close(self) -> None:
        self._kept = None

    def _read(self, page: int) -> Array:
        """A slice, or all of them."""
        import SimpleITK

        if self._streams and self.stacked:
            self._reader.SetExtractIndex([0, 0, page])
            self._reader.SetExtractSize([*self._size[:2], 0])
        return np.asarray(SimpleITK.GetArrayFromImage(self._reader.Execute()))

    def _place(self) -> None:
        axes = len(self._size)
        spacing = (*self._reader.GetSpacing(), 1.0)[:3]
        if not all(np.isfinite(spacing)) or min(spacing) <= 0:
            return
        directions = np.eye(3)
        directions[:axes, :axes] = np.reshape(self._reader.GetDirection(), (axes, axes))
        origin = (*self._reader.GetOrigin(), 0.0)[:3]
        self.geometry = Geometry.at(origin, directions, spacing)
        self.calibration = self.geometry.calibration


def _refuse_elsewhere(path: Path) -> bytes:
    """The beginning of a file; refused if its pixels are said to lie in another folder."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    match = _DATA_FILE.search(head.split(b"\n\n")[0] if head.startswith(b"NRRD") else head)
    said: Any = match[1].strip().decode(errors="replace") if match else "LOCAL"
    if said.upper() == "LOCAL":
        return head
    if said.upper().startswith("LIST") or "%" in said:
        raise ImageRefusedError(f"its pixels are in several files ({said}), which is not taken")
    if Path(said).name != said or "\\" in said:
        raise ImageRefusedError(f"its pixels are said to be in {said!r}, outside its own folder")
    if not path.with_name(said).is_file():
        raise ImageRefusedError(f"its pixels are said to be in {said!r}, which is not there")
    return head
