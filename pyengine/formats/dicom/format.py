"""DICOM: what is recognised, how it is opened and written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyengine.arguments import Output
from pyengine.formats.dicom.header import MARK, MARK_AT
from pyengine.formats.dicom.series import files_of, has_mark, is_series
from pyengine.formats.format import (
    WRITING,
    Band,
    Format,
    Library,
    Location,
    Reader,
    ReadOptions,
    Result,
)  # fmt: skip


class Dicom(Format):
    """Images in; labels out, as a Segmentation that refers to its source.

    A series is one image: any of its files, or a folder with nothing else.
    """

    title = "DICOM"
    suffixes = (".dcm", ".dicom", ".ima")
    written_suffixes = (".dcm",)
    libraries = (
        Library(("pydicom",), "dicom"),
        Library(("highdicom",), "dicom", WRITING),
    )

    def recognises(self, path: Path) -> bool:
        if path.is_dir():
            return is_series(path)
        return super().recognises(path)

    def is_begun_by(self, head: bytes) -> bool:
        return head[MARK_AT : MARK_AT + len(MARK)] == MARK

    def parts(self, path: Path) -> tuple[Path, ...]:
        if path.is_file() and not has_mark(path):
            return (path,)
        try:
            return files_of(path)
        except (ImportError, OSError):  # it will be told where it is opened
            return (path,)

    def open(self, source: Location, options: ReadOptions) -> Reader:
        from pyengine.formats.dicom.frames import Frames
        from pyengine.formats.dicom.reader import SlideReader, StackReader

        files = self.parts(source.path)
        with_tiles = Frames(files[0], options.max_pixels)
        with_tiles.close()
        if "TotalPixelMatrixRows" in with_tiles.header:
            return SlideReader(files, options.level, options.max_pixels)
        return StackReader(files, options.max_pixels)

    def why_not(self, output: Output, stacked: bool) -> str:
        return "" if output == "labels" else "DICOM Segmentations hold labels"

    def save(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        from pyengine.formats.dicom.segmentation import check_source

        check_source(self._source_files(result), result)
        super().save(target, result, bands)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        from pyengine.formats.dicom.segmentation import write_segmentation

        write_segmentation(target.path, self._source_files(result), result, bands)

    def _source_files(self, result: Result) -> tuple[Path, ...]:
        if result.source is None:
            return ()
        files = self.parts(result.source.path)
        return files if has_mark(files[0]) else ()
