"""TIFF, also of many pages: strips and tiles are decoded and written as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyengine.formats.format import Band, Format, Location, Reader, ReadOptions, Result
from pyengine.formats.tiff.reader import TiffReader
from pyengine.formats.tiff.write import write_labels, write_scores

# Of both byte orders, TIFF and BigTIFF.
_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OME = (".ome.tif", ".ome.tiff")


class Tiff(Format):
    """Labels in compressed tiles; scores as one plane per class, without compression.

    Under names that end in .ome.tif axes and calibration are OME's, and large labels a pyramid.
    """

    title = "TIFF, OME-TIFF"
    noun = "TIFF file"
    suffixes: tuple[str, ...] = (".tif", ".tiff", *_OME)
    written_suffixes: tuple[str, ...] = suffixes

    def is_begun_by(self, head: bytes) -> bool:
        return head[:4] in _MARKS

    def open(self, source: Location, options: ReadOptions) -> Reader:
        return TiffReader(source.path, options)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        write = write_labels if len(result.page_shape) == 2 else write_scores
        write(target.path, result, bands, is_ome(target.path))


class Slide(Tiff):
    """Whole slides whose files are TIFFs; the full resolution, or the level that is asked for."""

    title = "Slides (Aperio, Hamamatsu NDPI, Leica, Ventana, ...)"
    suffixes = (".svs", ".ndpi", ".scn", ".bif", ".qptiff")
    written_suffixes = ()
    result_suffix = ".ome.tif"


def is_ome(path: Path) -> bool:
    """Whether a file of this name is to be OME-TIFF."""
    return path.name.lower().endswith(_OME)
