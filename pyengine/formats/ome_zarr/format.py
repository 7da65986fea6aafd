"""Zarr: what is recognised, how it is opened and written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyengine.formats.format import (
    Band,
    Format,
    Library,
    Location,
    Reader,
    ReadOptions,
    Result,
)  # fmt: skip
from pyengine.formats.ome_zarr.store import MARKS
from pyengine.formats.remote import url_of


class OmeZarr(Format):
    """Images and arrays as ``image.zarr`` or ``image.zarr:/name``, also at URLs.

    Results are OME-Zarr of the version that their source has, else 0.5.
    """

    title = "OME-Zarr, Zarr"
    noun = "Zarr store"
    suffixes = (".zarr", ".ome.zarr")
    written_suffixes = (".ome.zarr", ".zarr")
    is_folder = True
    has_names = True
    names_results = False
    libraries = (Library(("zarr", "ome_zarr_models", "fsspec"), "zarr"),)

    def recognises(self, path: Path) -> bool:
        if url_of(path) is not None:
            return self.has_name(path)
        # Content decides of folders, too.
        return path.is_dir() and any((path / mark).is_file() for mark in MARKS)

    def open(self, source: Location, options: ReadOptions) -> Reader:
        from pyengine.formats.ome_zarr.reader import ZarrReader

        return ZarrReader(source, options)

    def holds(self, target: Location) -> bool:
        if url_of(target.path) is None:
            return super().holds(target)
        import fsspec

        url = url_of(target.path)
        files, root = fsspec.core.url_to_fs(url)
        return any(files.exists(f"{root}/{mark}") for mark in MARKS)

    def refuse_taken(self, target: Location) -> None:
        if target.name is not None:
            raise ValueError(
                f"{target}: a result is a store of its own; leave out the name, as in {target.path}"
            )
        if url_of(target.path) is None:
            super().refuse_taken(target)
        elif self.holds(target):
            raise FileExistsError(f"{target}: exists, and is never replaced; choose another name")

    def save(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        from pyengine.formats.ome_zarr.writer import axes_of

        axes_of(result)
        if url_of(target.path) is None:
            super().save(target, result, bands)
        else:  # nothing is renamed there: it becomes an image when all else is written
            self.write(target, result, bands)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        from pyengine.formats.ome_zarr.store import version_of
        from pyengine.formats.ome_zarr.writer import write_image

        version = "0.5"
        source = result.source
        if source is not None and self.recognises(source.path):
            version = version_of(source.path) or version
        write_image(target.path, result, bands, version)
